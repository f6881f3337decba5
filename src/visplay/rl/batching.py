"""Batches for training: one token tree per image, and micro-batches of trees.

The groups of an image share a tree, so image and prompts are computed once for all their completions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from visplay.models.image_cache import Pixels
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import Completion, Group, ImageRef


@dataclass(frozen=True, slots=True)
class WeightedGroup:
    """A rollout group with a gradient; advantage and loss weight per completion."""

    group: Group
    advantages: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A completion with the inputs of the loss.

    Attributes:
        key: request id and index of the completion.
        token_ids: prompt and completion.
        start: index of the completion's first token.
        logprobs: log-probabilities of the engine, natural log.
        old: log-probabilities before the update, the denominator of the ratio.
    """

    key: tuple[str, int]
    token_ids: tuple[int, ...]
    start: int
    logprobs: tuple[float, ...]
    old: tuple[float, ...]
    advantage: float
    weight: float


@dataclass(frozen=True, slots=True)
class PackedTree:
    """Samples of one image and their tree; the tree's paths are in the order of the samples."""

    tree: TokenTree
    pixels: Pixels
    samples: tuple[TrainingSample, ...]


def pack_trees(
    vlm: VLM, weighted_groups: Sequence[WeightedGroup], before: Mapping[tuple[str, int], tuple[float, ...]], limit: int
) -> list[PackedTree]:
    """One tree per image, or several if it would have more than `limit` tokens; one per completion on the padded path.

    Args:
        before: log-probabilities before the update, by `TrainingSample.key`; the engine's are used if a key is missing.
    """
    found: dict[ImageRef, tuple[Pixels, list[list[TrainingSample]]]] = {}
    for weighted_group in weighted_groups:
        request = weighted_group.group.request
        prompt = vlm.encode(request.image, request.prompt)
        _, of_image = found.setdefault(request.image, (prompt.pixels, []))
        of_image.append(
            [
                _sample(prompt.token_ids, completion, before, advantage, weight)
                for completion, advantage, weight in zip(
                    weighted_group.group.completions, weighted_group.advantages, weighted_group.weights, strict=True
                )
            ]
        )
    return [
        PackedTree(_tree(samples), pixels, tuple(samples))
        for pixels, lists in found.values()
        for samples in (_alone(lists) if vlm.padded_because else _fit(lists, limit))
    ]


def micro_batches(packed_trees: Sequence[PackedTree], limit: int) -> Iterator[list[PackedTree]]:
    """Batches of trees of similar size, each with at most `limit` tokens including padding, or with a single tree."""
    batch: list[PackedTree] = []
    for packed_tree in sorted(packed_trees, key=lambda e: len(e.tree), reverse=True):
        if batch and len(batch[0].tree) * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(packed_tree)
    if batch:
        yield batch


def _sample(
    prompt: tuple[int, ...],
    completion: Completion,
    before: Mapping[tuple[str, int], tuple[float, ...]],
    advantage: float,
    weight: float,
) -> TrainingSample:
    key = (completion.request_id, completion.index)
    ids, logprobs = (*prompt, *completion.token_ids), completion.logprobs
    return TrainingSample(key, ids, len(prompt), logprobs, before.get(key, logprobs), advantage, weight)


def _tree(samples: Sequence[TrainingSample]) -> TokenTree:
    return TokenTree.build([sample.token_ids for sample in samples])


def _fit(lists: Sequence[list[TrainingSample]], limit: int) -> Iterator[list[TrainingSample]]:
    """Merge the groups of an image while their tree has at most `limit` tokens."""
    joined: list[TrainingSample] = []
    for samples in lists:
        if joined and len(_tree([*joined, *samples])) > limit:
            yield joined
            joined = []
        joined = [*joined, *samples]
    yield joined


def _alone(lists: Sequence[list[TrainingSample]]) -> Iterator[list[TrainingSample]]:
    """One list per completion."""
    return ([sample] for samples in lists for sample in samples)
