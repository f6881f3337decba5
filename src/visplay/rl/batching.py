"""Groups of completions as what a forward pass takes: a tree per image, and micro-batches of trees.

The groups of an image share a tree, so its pixels and prompts are computed once for all their completions.
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
    """A group that has a gradient, with the advantage and the weight of each of its completions."""

    group: Group
    advantages: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A completion with what the loss needs of it.

    Attributes:
        key: request id and index.
        start: first token of the completion.
        logprobs: as the engine recorded them.
        old: what the ratio is taken to, where several updates are made.
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
    """Samples of one image and their tree, whose paths are in the order of the samples."""

    tree: TokenTree
    pixels: Pixels
    samples: tuple[TrainingSample, ...]


def pack_trees(
    vlm: VLM, weighted_groups: Sequence[WeightedGroup], before: Mapping[tuple[str, int], tuple[float, ...]], limit: int
) -> list[PackedTree]:
    """One tree per image, or several where it would have more than `limit` tokens; on the plain path one a completion.

    Args:
        before: what the ratio is taken to, by key; what the engine recorded where it is missing.
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
        for samples in (_alone(lists) if vlm.plain_because else _fit(lists, limit))
    ]


def micro_batches(packed_trees: Sequence[PackedTree], limit: int) -> Iterator[list[PackedTree]]:
    """Trees of similar size together, at most `limit` tokens with padding, at least one tree."""
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
    """Join the groups of an image while their tree has at most `limit` tokens."""
    joined: list[TrainingSample] = []
    for samples in lists:
        if joined and len(_tree([*joined, *samples])) > limit:
            yield joined
            joined = []
        joined = [*joined, *samples]
    yield joined


def _alone(lists: Sequence[list[TrainingSample]]) -> Iterator[list[TrainingSample]]:
    """Each completion by itself."""
    return ([sample] for samples in lists for sample in samples)
