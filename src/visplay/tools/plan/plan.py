"""A run's needs put together: what stands, what it peaks at, what would fit, what an iteration costs.

Memory is told for the worst case, in which every answer is as long as it may get; work for answers of assumed mean
length. Left out: what measuring on suites costs, and the activations of a vision tower that is
trained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import torch
from transformers import AutoConfig, GenerationConfig, PreTrainedConfig

from visplay.config import Settings
from visplay.errors import ConfigError
from visplay.generation.backends.vllm import VLLMBackend
from visplay.generation.batching import BatchLimits
from visplay.models.image_cache import ImageCache
from visplay.models.processor import Processor
from visplay.models.vlm import check_model
from visplay.tools.plan.memory import (
    Peak,
    Standing,
    VLLMShare,
    feature_bytes,
    largest_batch,
    largest_micro_batch,
    mask_bytes,
    rollout_peak,
    vllm_share,
)
from visplay.tools.plan.model import Measured
from visplay.tools.plan.workload import (
    IMAGE_TOKENS,
    TFLOPS,
    Asking,
    Assumed,
    Batch,
    Parameters,
    Work,
    askings,
    limits_of,
    measuring,
    shared,
    work,
)
from visplay.types import ImageRef

_NO_BOUND = 2**62
_UNITS = {"": 10**9, "GB": 10**9, "GIB": 2**30, "MB": 10**6, "MIB": 2**20}
_LOOKED_AT = 32  # images whose tokens are counted
RESERVED = 10**9  # bytes for the driver, its kernels and what the allocator cannot use


@dataclass(frozen=True, slots=True)
class Update:
    """The update of a role.

    Attributes:
        group: tokens of the largest group, which no micro-batch cuts, with all answers as long as they may get; on
            the padded path of one answer.
        micro_batch: tokens of the largest micro-batch: as set, or those of the group if it is larger.
        activations: bytes of its forward and backward pass.
        optimizer_step: bytes that AdamW takes for a moment.
    """

    group: int
    micro_batch: int
    activations: int
    optimizer_step: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run needs.

    Attributes:
        memory: bytes of the device.
        processes: those that share the work, each on a device of its own.
        trainable: weights of its own that a role trains, numbers.
        padded_because: why token trees are ruled out; empty where they are not, which a run's probe then checks.
        dense: attention takes a dense mask; else FlexAttention.
        rollouts: each way of asking, measuring too, with its largest batch and its peak, in bytes beyond what stands.
        vllm: what vLLM holds, where it generates in the place of these rollouts.
        update: None where nothing is trained.
        micro_batch, generation_batch, generation_tokens: the largest that fit; 0 where nothing fits. See
            `_Rollouts.largest`.
        costs: each way of asking with its work.
    """

    name: str
    settings: Settings
    assumed: Assumed
    memory: int
    processes: int
    parameters: Parameters
    trainable: int
    padded_because: str
    dense: bool
    standing: Standing
    rollouts: tuple[tuple[Asking, Batch, Peak], ...]
    vllm: VLLMShare | None
    update: Update | None
    micro_batch: int
    generation_batch: int
    generation_tokens: int
    costs: tuple[tuple[Asking, Work], ...]

    @property
    def vllm_backend(self) -> VLLMBackend:
        """Settings of the vLLM of `vllm`."""
        assert isinstance(self.settings.engine, VLLMBackend)
        return self.settings.engine

    @property
    def usable(self) -> int:
        return self.memory - RESERVED

    @property
    def rollout_bytes(self) -> int:
        """All that is held at the peak of the rollout that needs most."""
        if self.vllm:
            return self.standing.rollout + self.vllm.awake
        return self.standing.rollout + max((peak.total for _, _, peak in self.rollouts), default=0)

    @property
    def update_bytes(self) -> int:
        """All that is held at the peak of the update."""
        held = max(self.update.activations, self.update.optimizer_step) if self.update else 0
        return self.standing.update + held + (self.vllm.asleep if self.vllm else 0)

    @property
    def free(self) -> int:
        """What the higher peak leaves; negative where it does not fit."""
        return self.usable - max(self.rollout_bytes, self.update_bytes)


def make_plan(
    name: str,
    config: PreTrainedConfig,
    settings: Settings,
    memory: int,
    *,
    images: int | None = None,
    assumed: Assumed | None = None,
    longest: int = 1024,
    processes: int = 1,
) -> Plan:
    """Plan a run.

    Args:
        name: of the model, for messages.
        config: of the model; nothing else of it is needed.
        memory: bytes of the device.
        images: how many there are, where that is known.
        longest: an answer's tokens at the most where the settings name no limit.
        processes: those that share the work, each on a device of its own with so much memory.
    Raises:
        ConfigError: the number of images is needed and not known.
        ModelError: see `Measured`.
    """
    assumed = assumed or Assumed()
    asked = askings(settings, images, assumed, longest)
    model = Measured(name, config, settings, processes)
    shown = max((asking.all_images for asking in asked), default=0)
    features = feature_bytes(shown, assumed.image_tokens, model.shape)
    idle = model.optimizer if settings.tune == "full" and settings.idle == "cpu" else 0
    states = 2 * model.optimizer - idle
    standing = Standing(model.base, model.roles, model.gradients, states, features, idle)

    generated = (*asked, *measuring(settings, assumed, longest))
    rollouts = _Rollouts(model, tuple(shared(asking, processes) for asking in generated), assumed)
    usable = memory - RESERVED
    limits, fitting = rollouts.largest(limits_of(settings), usable - standing.rollout), 0
    backend = settings.engine if isinstance(settings.engine, VLLMBackend) else None
    vllm = vllm_share(backend, memory, model.base, model.shape.token_bytes) if backend else None
    update = _update(model, settings, asked, assumed)
    if update:
        held, free = partial(_activations, model, update.group), usable - standing.update - (vllm.asleep if vllm else 0)
        fitting = largest_micro_batch(held, free, update.micro_batch)
    return Plan(
        name,
        settings,
        assumed,
        memory,
        processes,
        model.parameters,
        model.trainable,
        model.padded_because,
        model.dense,
        standing,
        tuple(rollouts.peaks(limits_of(settings))),
        vllm,
        update,
        fitting,
        limits.answers,
        limits.tokens,
        tuple((a, work(a, model.parameters, settings, assumed, model.shape.tree, processes)) for a in asked),
    )


@dataclass(frozen=True, slots=True)
class _Rollouts:
    """What is asked, as functions of how much of it is decoded at once."""

    model: Measured
    asked: tuple[Asking, ...]
    assumed: Assumed

    def peaks(self, limits: BatchLimits) -> Iterator[tuple[Asking, Batch, Peak]]:
        """Each way of asking with its largest batch and its peak."""
        model, image = self.model, self.assumed.most_image_tokens
        for asking in self.asked:
            batch = Batch.of(asking, self.assumed, limits, model.shape.tree)
            draw = model.draw(asking.sampling)
            yield asking, batch, rollout_peak(model.shape, model.prefill, draw, asking, image, batch)

    def reading(self, limits: BatchLimits) -> int:
        """Bytes at the peak of all that comes before an answer's first token."""
        return max((max(peak.looking, peak.reading) for _, _, peak in self.peaks(limits)), default=0)

    def all(self, limits: BatchLimits) -> int:
        """Bytes at the peak."""
        return max((peak.total for _, _, peak in self.peaks(limits)), default=0)

    def largest(self, limits: BatchLimits, free: int) -> BatchLimits:
        """The most tokens whose reading fits, however few answers there are to an image; the most answers that fit.

        Where reading does not fit with `limits`, such answers as fit with no more tokens than do.
        """
        tokens = largest_batch(lambda n: self.reading(BatchLimits(_NO_BOUND, n)), free, self._most(_NO_BOUND).tokens)
        tokens = tokens // 64 * 64 or tokens
        few = limits.tokens if self.reading(limits) <= free else tokens
        return BatchLimits(
            largest_batch(lambda n: self.all(BatchLimits(n, few)), free, self._most(few).answers), tokens
        )

    def _most(self, tokens: int) -> BatchLimits:
        """The most answers and tokens in a batch of so many tokens."""
        batches = [batch for _, batch, _ in self.peaks(BatchLimits(_NO_BOUND, tokens))]
        return BatchLimits(
            max((b.all_answers for b in batches), default=0), max((b.tokens for b in batches), default=0)
        )


def plan_model(
    name: str,
    settings: Settings,
    images: Sequence[ImageRef] | None = None,
    memory: str | None = None,
    image_tokens: int | None = None,
    tflops: float = TFLOPS,
    processes: int = 1,
) -> Plan:
    """Plan a run of a folder or hub model.

    Args:
        images: those of the run; None where they are not known.
        memory: of the device, as text; None for that of the GPU here, else 24 GB.
        image_tokens: of an image; None to count those of `images`.
        tflops: see `Assumed`.
        processes: see `make_plan`.
    Raises:
        ConfigError: a size that is none, or tokens that cannot be counted.
        ModelError: no such model, or one that cannot be used.
    """
    if tflops <= 0 or (image_tokens is not None and image_tokens < 1):
        raise ConfigError("--tflops must be above 0 and --image-tokens at least 1")
    if processes < 1:
        raise ConfigError("--processes must be at least 1")
    size = read_bytes(memory) if memory else device_bytes()
    config = read_config(name, settings.trust_remote_code)
    if image_tokens is not None or images is None:
        mean, most = (float(image_tokens or IMAGE_TOKENS), image_tokens or IMAGE_TOKENS)
    else:
        mean, most = count_image_tokens(name, config, settings, images)
    assumed = Assumed(mean, most, tflops=tflops)
    count = None if images is None else len(images)
    longest = longest_answer(name)
    return make_plan(name, config, settings, size, images=count, assumed=assumed, longest=longest, processes=processes)


def _update(model: Measured, settings: Settings, asked: tuple[Asking, ...], assumed: Assumed) -> Update | None:
    start = assumed.most_image_tokens + assumed.prompt_tokens
    groups = [start + (a.answers if model.shape.tree else 1) * a.limit for a in asked if a.trained]
    if not groups:
        return None
    micro_batch = max(settings.rl.micro_batch_tokens, *groups)
    return Update(max(groups), micro_batch, _activations(model, max(groups), micro_batch), model.step)


def _activations(model: Measured, group: int, tokens: int) -> int:
    """Bytes of a micro-batch: one tree, or as many answers on the padded path."""
    width = tokens if model.shape.tree else min(tokens, group)
    return model.activations(tokens) + mask_bytes(model.shape, tokens // width, width)


def read_bytes(text: str) -> int:
    """Bytes of a text such as 24GB or 80GiB; a number alone means GB.

    Raises:
        ConfigError: it is no such text.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", text.strip())
    if not found or found[2].upper() not in _UNITS or float(found[1]) == 0:
        raise ConfigError(f"'{text}' is no memory size; write it as 24GB or 24GiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def device_bytes(otherwise: int = 24 * 10**9) -> int:
    """Memory of the first GPU here."""
    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else otherwise


def read_config(name: str, trust_remote_code: bool = False) -> PreTrainedConfig:
    """The configuration of a folder or hub model.

    Raises:
        ModelError: it is missing, or no model for images and text.
    """
    check_model(name, trust_remote_code)
    config: PreTrainedConfig = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    return config


def longest_answer(name: str, otherwise: int = 1024) -> int:
    """Most tokens of an answer as the model's own settings of generation say."""
    try:
        return int(GenerationConfig.from_pretrained(name).max_new_tokens or otherwise)
    except (OSError, ValueError):
        return otherwise


def count_image_tokens(
    name: str, config: PreTrainedConfig, settings: Settings, images: Sequence[ImageRef]
) -> tuple[float, int]:
    """Mean and most tokens of an image, over some of them, as the family's own processor makes them.

    Raises:
        ConfigError: the processor cannot be had, or not with these bounds of an image's size.
    """
    some = images[:: -(-len(images) // _LOOKED_AT)]
    try:
        processor = Processor.load(name, config, settings.trust_remote_code)
        processor.limit(settings.min_pixels, settings.max_pixels)
        cache = ImageCache(processor.prepare)
        texts = ["".join(cache.get(image).texts) for image in some]
    except (OSError, ValueError, KeyError, ImportError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"cannot count the tokens of images; give --image-tokens N instead ({reason})") from None
    counts = [text.count(processor.image_token) for text in texts]
    return fmean(counts), max(counts)
