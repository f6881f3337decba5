"""Bytes that a run holds at its peaks, from plain numbers. Pure arithmetic.

Two peaks count: the rollout, where the keys and values of many answers grow, and the update, where the activations
of a micro-batch wait for their gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil

from visplay.generation.backends.vllm import VLLMBackend
from visplay.models.cache import ROOM
from visplay.models.image_cache import MOST_BYTES
from visplay.models.tree_model import VISION_BATCH_SIZE
from visplay.tools.plan.workload import Asking, Batch

_GIB = 2**30
_TRIES = 10  # of a guess that gets better each time


@dataclass(frozen=True, slots=True)
class Shape:
    """Of the decoder.

    Attributes:
        width: bytes of a number.
        vision_bytes: what the vision tower holds at its peak for a token of an image, roughly.
        tree: whether answers share what they have in common.
        dense: whether attention takes a dense mask.
    """

    layers: int
    heads: int
    groups: int
    head_size: int
    hidden: int
    width: int
    vision_bytes: int
    tree: bool
    dense: bool

    @property
    def token_bytes(self) -> int:
        """Keys and values of a token."""
        return 2 * self.layers * self.groups * self.head_size * self.width


@dataclass(frozen=True, slots=True)
class Standing:
    """Bytes held on the device through the phase that holds most, the Questioner's.

    Attributes:
        base: the model as it is opened; in 4 bits with room for one layer as it is computed with.
        roles: what both roles have of their own: adapters, or copies of weights.
        gradients: of the role that is being trained.
        optimizer: AdamW's state with its float32 weights, of both roles or, where the idle one is put away, of one.
        features: what the vision tower said of images.
        away: what waits in CPU memory meanwhile.
    """

    base: int
    roles: int
    gradients: int
    optimizer: int
    features: int
    away: int = 0

    @property
    def rollout(self) -> int:
        return self.base + self.roles + self.optimizer + self.features

    @property
    def update(self) -> int:
        return self.rollout + self.gradients


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes of a rollout at its three heights, one after the other, beyond what stands.

    Attributes:
        looking: the vision tower sees images.
        reading: images and prompts are computed.
        cache: keys and values when all answers are as long as they may get.
        writing: what a decoding step takes beside them.
    """

    looking: int
    reading: int
    cache: int
    writing: int

    @property
    def total(self) -> int:
        return max(self.looking, self.reading, self.cache + self.writing)


def optimizer_bytes(tensors: Iterable[int], eight_bit: bool) -> int:
    """AdamW's state of tensors of so many weights.

    Two float32 moments and a float32 count; or, by bitsandbytes, two bytes a weight and a float32 scale for every
    256 of each moment, but float32 moments for tensors of fewer than 4,096 weights.
    """
    if not eight_bit:
        return sum(8 * size + 4 for size in tensors)
    return sum(8 * size if size < 4096 else 2 * (size + 4 * ceil(size / 256)) for size in tensors)


def four_bit_bytes(size: int) -> int:
    """A layer of so many weights in NF4: half a byte each, and a float32 scale for every 64."""
    return ceil(size / 2) + 4 * ceil(size / 64)


def feature_bytes(images: int, tokens: float, shape: Shape) -> int:
    """What is kept of images seen."""
    return int(min(MOST_BYTES, images * tokens * shape.hidden * shape.width))


def room(own: int) -> int:
    """Tokens there is room for when an answer has `own` tokens of its own."""
    size = ROOM
    while size < own:
        size *= 2
    return size if own else 0


def kv_bytes(shape: Shape, trees: int, shared: int, answers: int, own: int) -> int:
    """Keys and values of `trees` trees, each of `shared` tokens with `answers` answers of `own` tokens of their own."""
    if shape.tree:
        return shape.token_bytes * trees * (shared + answers * room(own))
    return shape.token_bytes * trees * answers * (shared + own)


def mask_bytes(shape: Shape, rows: int, tokens: int) -> int:
    """A dense mask, as truth values and as numbers to add."""
    return rows * tokens**2 * (1 + shape.width) if shape.dense else 0


def rollout_peak(shape: Shape, prefill: float, draw: float, asking: Asking, image: int, batch: Batch) -> Peak:
    """What decoding a batch takes when all of its answers are as long as they may get.

    Args:
        prefill: bytes at the peak of computing a token of images and prompts, its keys and values included.
        draw: bytes at the peak of drawing an answer's next token.
        image: tokens of an image.
    """
    rows, looked = batch.all_answers, min(batch.trees, VISION_BATCH_SIZE) if shape.tree else batch.trees
    # One softmax over all that an answer sees: scores of both parts and joined, in float32, and back.
    attending = rows * shape.heads * (batch.shared + asking.limit) * (3 * shape.width + 4)
    return Peak(
        looking=looked * image * shape.vision_bytes,
        reading=ceil(prefill * batch.tokens) + mask_bytes(shape, batch.trees, batch.shared),
        cache=kv_bytes(shape, batch.trees, batch.shared, batch.answers, asking.limit - 1),
        writing=max(attending, ceil(draw * rows)),
    )


def largest_batch(peak: Callable[[int], int], free: int, most: int) -> int:
    """The most answers, or tokens, at once, up to `most`, whose peak is within `free` bytes; 0 if not even one is."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if peak(middle) <= free else (low, middle - 1)
    return low


def largest_micro_batch(peak: Callable[[int], int], free: int, start: int, step: int = 64) -> int:
    """The most tokens whose peak is within `free` bytes, to a hundredth or so, a multiple of `step`; 0 for none.

    Args:
        peak: nearly a line. Told anew at great cost, so along the line through the last two.
        start: tokens to begin at.
    """
    before, tokens = start // 2, start
    for _ in range(_TRIES):
        slope = (peak(tokens) - peak(before)) / (tokens - before)
        before, tokens = tokens, max(step, tokens + int((free - peak(tokens)) / slope))
        if abs(tokens - before) <= before // 100:
            break
    while tokens >= step and peak(tokens) > free:
        tokens -= max(step, tokens // 100)
    return max(0, tokens) // step * step


@dataclass(frozen=True, slots=True)
class VLLMShare:
    """Bytes that are vLLM's, with a copy of the weights of its own.

    Attributes:
        awake: while it generates.
        asleep: while the trainer computes.
        away: of its weights, in CPU memory while it sleeps.
        tokens: that its keys and values have room for, at the most: its passes take some of it. 0 where its weights
            alone take more.
    """

    awake: int
    asleep: int
    away: int
    tokens: int


def vllm_share(settings: VLLMBackend, memory: int, weights: int, token_bytes: int) -> VLLMShare:
    """Its share of a device.

    Args:
        memory: bytes of the device.
        weights: bytes of the base.
        token_bytes: keys and values of a token.
    """
    if settings.kv_cache_gib is None:
        awake = int(settings.gpu_memory_utilization * memory)
    else:
        awake = weights + int(settings.kv_cache_gib * _GIB)
    tokens = max(0, awake - weights) // token_bytes
    return VLLMShare(awake, 0 if settings.sleep else awake, weights if settings.sleep else 0, tokens)
