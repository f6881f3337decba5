"""The needs of a run: peaks of device memory, the largest settings that fit, and the cost of an iteration.

Memory is the worst case, in which every completion has the greatest length; cost assumes mean lengths. Left out: the
cost of measuring on suites, and the activations of a vision tower that is trained.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from statistics import fmean

import torch
from transformers import AutoConfig, GenerationConfig, PreTrainedConfig

from visplay.config import Settings
from visplay.errors import ConfigError, one_line
from visplay.generation.backends.vllm import VLLMBackend
from visplay.generation.batching import BatchLimits
from visplay.models.image_cache import MOST_BYTES, ImageCache
from visplay.models.processor import Processor
from visplay.models.vlm import check_model
from visplay.tools.plan.model import Measured, Peak
from visplay.tools.plan.workload import Assumed, Batch, Generation, cost, generations, limits_of
from visplay.types import ImageRef

RESERVED = 10**9  # bytes for the driver, its kernels and what the allocator cannot use
_NO_BOUND = 2**62
_UNITS = {"": 10**9, "GB": 10**9, "GIB": 2**30, "MB": 10**6, "MIB": 2**20}
_SAMPLE = 32  # images whose tokens are counted


class Plan:
    """The needs of a run in bytes. Each of `processes` processes has a device of `memory` bytes.

    Attributes:
        features: cached vision features.
        states, away: the optimizer's states on the device, and those in CPU memory.
        held: the reference of a phase, beside the base.
        standing: memory that is used all the time.
        costs: the completions of an iteration with their cost.
        rollouts: all completions, also those for measuring, with their largest batch and its peak.
        vllm: settings of vLLM if it generates instead of these rollouts.
        vllm_awake, vllm_asleep: memory of vLLM while it generates, and while the trainer computes.
        vllm_tokens: upper bound of tokens with keys and values: vLLM's passes take a part of this memory.
        group: tokens of the largest group, which no micro-batch divides, with completions of the greatest length; on
            the padded path, tokens of one completion. 0 without training.
        micro_batch, activations: tokens of the largest micro-batch, by the settings or by a larger group; and bytes of
            its passes.
    """

    def __init__(
        self,
        name: str,
        config: PreTrainedConfig,
        settings: Settings,
        memory: int,
        *,
        images: int | None = None,
        assumed: Assumed | None = None,
        processes: int = 1,
    ) -> None:
        """Plan from a model's configuration; `images` is their number, if known.

        Raises:
            ConfigError: the number of images is needed and not known.
            ModelError: see `Measured`.
        """
        self.name, self.settings, self.memory, self.processes = name, settings, memory, processes
        self.usable = memory - RESERVED
        self.assumed = assumed = assumed or Assumed()
        generated = generations(settings, images, assumed)
        self.model = model = Measured(name, config, settings, processes)
        tree = not model.padded_because
        self.costs = [
            (g, cost(g, (model.decoder, model.head), settings, assumed, tree, processes)) for g in generated if g.calls
        ]

        shown = max(generation.all_images for generation in generated)
        self.features = int(min(MOST_BYTES, shown * assumed.image_tokens * model.feature_bytes))
        self.away = model.optimizer if settings.tune == "full" and settings.idle == "cpu" else 0
        self.states = 2 * model.optimizer - self.away
        # Where idle weights wait in CPU memory, the base makes room for the reference of a phase.
        self.held = model.roles // 2 if settings.rl.reference == "phase" and not self.away else 0
        self.standing = model.base + model.roles + self.held + self.states + self.features

        self._generated = [g.share(processes) for g in generated]
        self.rollouts = self._rollouts(limits_of(settings))
        self.vllm = settings.engine if isinstance(settings.engine, VLLMBackend) else None
        self.vllm_awake = self.vllm_asleep = self.vllm_tokens = 0
        if self.vllm:
            self.vllm_awake = int(self.vllm.gpu_memory_utilization * memory)
            if self.vllm.kv_cache_gib is not None:
                self.vllm_awake = model.base + int(self.vllm.kv_cache_gib * 2**30)
            self.vllm_asleep = 0 if self.vllm.sleep else self.vllm_awake
            self.vllm_tokens = max(0, self.vllm_awake - model.base) // model.token_bytes

        self.group = self.micro_batch = self.activations = 0
        start = assumed.most_image_tokens + assumed.prompt_tokens
        groups = [start + (g.answers if tree else 1) * g.limit for g in generated if g.trained]
        if groups:
            self.group, self.micro_batch = max(groups), max(settings.rl.micro_batch_tokens, *groups)
            self.activations = model.activations(self.micro_batch, self.group)

    @property
    def rollout_bytes(self) -> int:
        """All that is held at the peak of the rollout that needs most."""
        return self.standing + (self.vllm_awake if self.vllm else max(peak.total for *_, peak in self.rollouts))

    @property
    def update_bytes(self) -> int:
        """All that is held at the peak of the update."""
        most = max(self.activations, self.model.step) if self.group else 0
        return self.standing + self.model.gradients + most + self.vllm_asleep

    @property
    def free(self) -> int:
        """What the higher peak leaves; negative where it does not fit."""
        return self.usable - max(self.rollout_bytes, self.update_bytes)

    @cached_property
    def fitting_micro_batch(self) -> int:
        """Tokens of the largest micro-batch that fits; 0 if none fits. It takes many passes."""
        if not self.group:
            return 0
        free = self.usable - self.standing - self.model.gradients - self.vllm_asleep
        return largest_micro_batch(partial(self.model.activations, group=self.group), free, self.micro_batch)

    @property
    def fits(self) -> bool:
        """Whether the memory is enough, vLLM's room for the longest prompt with its answer included."""
        return self.free >= 0 and (self.vllm is None or self.vllm_tokens >= self.longest)

    @property
    def longest(self) -> int:
        """Most tokens of a prompt with its answer."""
        prompt = self.assumed.most_image_tokens + self.assumed.prompt_tokens
        return prompt + max(generation.limit for generation, *_ in self.rollouts)

    def _rollouts(self, limits: BatchLimits) -> list[tuple[Generation, Batch, Peak]]:
        tree = not self.model.padded_because
        batches = [(g, Batch.of(g, self.assumed, limits, tree)) for g in self._generated]
        return [(g, batch, self.model.rollout_peak(g, batch)) for g, batch in batches]

    @cached_property
    def fitting(self) -> BatchLimits:
        """The most tokens of a prefill that fits, however few answers an image has, and the most answers that fit.

        If the prefill of the settings does not fit, the number of answers is for the largest prefill that fits.
        """
        free, limits = self.usable - self.standing, limits_of(self.settings)

        def prefill(tokens: int, answers: int = _NO_BOUND) -> int:
            return max(peak.prefill for *_, peak in self._rollouts(BatchLimits(answers, tokens)))

        most = max(batch.tokens for _, batch, _ in self._rollouts(BatchLimits(_NO_BOUND, _NO_BOUND)))
        tokens = bisect_right(range(1, most + 1), free, key=prefill)
        tokens = tokens // 64 * 64 or tokens
        few = limits.tokens if prefill(limits.tokens, limits.answers) <= free else tokens

        def total(answers: int) -> int:
            return max(peak.total for *_, peak in self._rollouts(BatchLimits(answers, few)))

        most = max(batch.all_answers for _, batch, _ in self._rollouts(BatchLimits(_NO_BOUND, few)))
        return BatchLimits(bisect_right(range(1, most + 1), free, key=total), tokens)


def plan_model(
    name: str,
    settings: Settings,
    images: Sequence[ImageRef] | None = None,
    memory: str | int | None = None,
    image_tokens: int | None = None,
    tflops: float = Assumed.tflops,
    processes: int = 1,
) -> Plan:
    """Plan a run of a folder or hub model; raises ConfigError and ModelError.

    Args:
        memory: memory of the device, bytes or a text; None for the GPU of this machine, else 24 GB.
        image_tokens: tokens of an image; None to count the tokens of `images`.
    """
    if tflops <= 0 or (image_tokens is not None and image_tokens < 1):
        raise ConfigError("--tflops must be above 0 and --image-tokens at least 1")
    size = memory if isinstance(memory, int) else device_bytes(memory)
    check_model(name, settings.trust_remote_code)
    config = AutoConfig.from_pretrained(name, trust_remote_code=settings.trust_remote_code)
    if image_tokens is None and images is not None:
        mean, most = count_image_tokens(name, config, settings, images)
    else:
        mean = most = image_tokens or Assumed.most_image_tokens
    try:
        longest = GenerationConfig.from_pretrained(name).max_new_tokens
    except (OSError, ValueError):
        longest = None
    assumed = Assumed(mean, most, longest=longest or Assumed.longest, tflops=tflops)
    count = None if images is None else len(images)
    return Plan(name, config, settings, size, images=count, assumed=assumed, processes=processes)


def device_bytes(memory: str | None) -> int:
    """The bytes of a text; without one those of this machine's GPU, else 24 GB."""
    if memory:
        return read_bytes(memory)
    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else 24 * 10**9


def read_bytes(text: str) -> int:
    """Bytes of a text such as 24GB or 80GiB; a number alone means GB. Raises ConfigError for another text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", text.strip())
    if not found or found[2].upper() not in _UNITS or float(found[1]) == 0:
        raise ConfigError(f"'{text}' is no memory size; write it as 24GB or 24GiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def count_image_tokens(
    name: str, config: PreTrainedConfig, settings: Settings, images: Sequence[ImageRef]
) -> tuple[float, int]:
    """Mean and greatest number of tokens of an image over a sample, by the model's own processor."""
    try:
        processor = Processor.load(name, config, settings.trust_remote_code)
        processor.limit(settings.min_pixels, settings.max_pixels)
        cache = ImageCache(processor.prepare)
        texts = ["".join(cache.get(image).texts) for image in images[:: -(-len(images) // _SAMPLE)]]
    except (OSError, ValueError, KeyError, ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"cannot count the tokens of images; give --image-tokens N instead ({one_line(error)})"
        ) from None
    counts = [text.count(processor.image_token) for text in texts]
    return fmean(counts), max(counts)


def largest_micro_batch(peak: Callable[[int], int], free: int, start: int, step: int = 64) -> int:
    """The most tokens with a peak within `free` bytes, to about one percent, a multiple of `step`; 0 if none fit.

    Args:
        peak: nearly a line, and expensive; each guess is on the line through the last two.
        start: the first guess.
    """
    before, tokens = start // 2, start
    for _ in range(10):
        slope = (peak(tokens) - peak(before)) / (tokens - before)
        before, tokens = tokens, max(step, tokens + int((free - peak(tokens)) / slope))
        if abs(tokens - before) <= before // 100:
            break
    while tokens >= step and peak(tokens) > free:
        tokens -= max(step, tokens // 100)
    return max(0, tokens) // step * step
