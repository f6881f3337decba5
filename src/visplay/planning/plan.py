"""A run's needs put together: what stands, what it peaks at, what would fit, what an iteration costs.

Memory is told for the worst case, in which every answer is as long as it may get; work for answers of assumed mean
length. Left out: measuring on suites, gates that ask again, and the activations of a vision tower that is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from transformers import PreTrainedConfig

from visplay.config import ConfigError, Settings
from visplay.planning.memory import (
    Peak,
    Standing,
    feature_bytes,
    largest_batch,
    largest_micro_batch,
    mask_bytes,
    rollout_peak,
)
from visplay.planning.model import Measured
from visplay.planning.reading import count_image_tokens, device_bytes, longest_answer, read_bytes, read_config
from visplay.planning.workload import IMAGE_TOKENS, TFLOPS, Asking, Assumed, Parameters, Work, askings, work
from visplay.records import Picture

RESERVED = 10**9  # bytes for the driver, its kernels and what the allocator cannot use


@dataclass(frozen=True, slots=True)
class Update:
    """The update of a role.

    Attributes:
        group: tokens of the largest group, which no micro-batch cuts, with all answers as long as they may get; on
            the plain path of one answer.
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
        trainable: weights of its own that a role trains, numbers.
        plain_because: why token trees are ruled out; empty where they are not, which a run's probe then checks.
        dense: attention takes a dense mask; else FlexAttention.
        rollouts: each way of asking with its peak, in bytes beyond what stands.
        update: None where nothing is trained.
        micro_batch, generation_batch: the largest that fit; 0 where nothing fits.
        costs: each way of asking with its work.
    """

    name: str
    settings: Settings
    assumed: Assumed
    memory: int
    parameters: Parameters
    trainable: int
    plain_because: str
    dense: bool
    standing: Standing
    rollouts: tuple[tuple[Asking, Peak], ...]
    update: Update | None
    micro_batch: int
    generation_batch: int
    costs: tuple[tuple[Asking, Work], ...]

    @property
    def usable(self) -> int:
        return self.memory - RESERVED

    @property
    def rollout_bytes(self) -> int:
        """All that is held at the peak of the rollout that needs most."""
        return self.standing.rollout + max((peak.total for _, peak in self.rollouts), default=0)

    @property
    def update_bytes(self) -> int:
        """All that is held at the peak of the update."""
        held = max(self.update.activations, self.update.optimizer_step) if self.update else 0
        return self.standing.update + held

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
    pictures: int | None = None,
    assumed: Assumed | None = None,
    longest: int = 1024,
) -> Plan:
    """Plan a run.

    Args:
        name: of the model, for messages.
        config: of the model; nothing else of it is needed.
        memory: bytes of the device.
        pictures: how many there are, where that is known.
        longest: an answer's tokens at the most where the settings name no limit.
    Raises:
        visplay.config.ConfigError: the number of pictures is needed and not known.
        visplay.models.vlm.ModelError: see `Measured`.
    """
    assumed = assumed or Assumed()
    asked = askings(settings, pictures, assumed, longest)
    model = Measured(name, config, settings)
    shown = max((asking.all_pictures for asking in asked), default=0)
    features = feature_bytes(shown, assumed.image_tokens, model.shape)
    idle = model.optimizer if settings.tune == "full" and settings.idle == "cpu" else 0
    states = 2 * model.optimizer - idle
    standing = Standing(model.base, model.roles, model.gradients, states, features, idle)

    def peak(asking: Asking, batch: int) -> Peak:
        return rollout_peak(model.shape, model.prefill, model.draw(asking.sampling), asking, assumed, batch)

    def highest(batch: int) -> int:
        return max((peak(asking, batch).total for asking in asked), default=0)

    usable = memory - RESERVED
    most = max((asking.pictures * asking.answers for asking in asked), default=0)
    update = _update(model, settings, asked, assumed)
    fitting = 0
    if update:
        held = partial(_activations, model, update.group)
        fitting = largest_micro_batch(held, usable - standing.update, update.micro_batch)
    return Plan(
        name,
        settings,
        assumed,
        memory,
        model.parameters,
        model.trainable,
        model.plain_because,
        model.dense,
        standing,
        tuple((asking, peak(asking, settings.generation_batch)) for asking in asked),
        update,
        fitting,
        largest_batch(highest, usable - standing.rollout, most),
        tuple((asking, work(asking, model.parameters, settings, assumed, model.shape.tree)) for asking in asked),
    )


def plan_model(
    name: str,
    settings: Settings,
    pictures: Sequence[Picture] | None = None,
    memory: str | None = None,
    image_tokens: int | None = None,
    tflops: float = TFLOPS,
) -> Plan:
    """Plan a run of a folder or hub model.

    Args:
        pictures: those of the run; None where they are not known.
        memory: of the device, as text; None for that of the GPU here, else 24 GB.
        image_tokens: of a picture; None to count those of `pictures`.
        tflops: see `Assumed`.
    Raises:
        visplay.config.ConfigError: a size that is none, or tokens that cannot be counted.
        visplay.models.vlm.ModelError: no such model, or one that cannot be used.
    """
    if tflops <= 0 or (image_tokens is not None and image_tokens < 1):
        raise ConfigError("--tflops must be above 0 and --image-tokens at least 1")
    size = read_bytes(memory) if memory else device_bytes()
    config = read_config(name, settings.trust_remote_code)
    if image_tokens is not None or pictures is None:
        mean, most = (float(image_tokens or IMAGE_TOKENS), image_tokens or IMAGE_TOKENS)
    else:
        mean, most = count_image_tokens(name, config, settings, pictures)
    assumed = Assumed(mean, most, tflops=tflops)
    count = None if pictures is None else len(pictures)
    return make_plan(name, config, settings, size, pictures=count, assumed=assumed, longest=longest_answer(name))


def _update(model: Measured, settings: Settings, asked: tuple[Asking, ...], assumed: Assumed) -> Update | None:
    start = assumed.most_image_tokens + assumed.prompt_tokens
    groups = [start + (a.answers if model.shape.tree else 1) * a.limit for a in asked if a.trained]
    if not groups:
        return None
    micro_batch = max(settings.grpo.micro_batch_tokens, *groups)
    return Update(max(groups), micro_batch, _activations(model, max(groups), micro_batch), model.step)


def _activations(model: Measured, group: int, tokens: int) -> int:
    """Bytes of a micro-batch: one tree, or as many answers on the plain path."""
    width = tokens if model.shape.tree else min(tokens, group)
    return model.activations(tokens) + mask_bytes(model.shape, tokens // width, width)
