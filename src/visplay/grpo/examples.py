"""Groups of completions as what a forward pass takes: a tree a picture, and micro-batches of trees.

The groups of a picture share a tree, so its pixels and prompts are computed once for all their completions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from visplay.models.pictures import Pixels
from visplay.models.tokentree import TokenTree
from visplay.models.vlm import VLM
from visplay.records import Completion, Group, Picture


@dataclass(frozen=True, slots=True)
class Lesson:
    """A group that has a gradient, with the advantage and the weight of each of its completions."""

    group: Group
    advantages: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sample:
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
class Example:
    """Samples of one picture and their tree, whose paths are in the order of the samples."""

    tree: TokenTree
    pixels: Pixels
    samples: tuple[Sample, ...]


def examples_of(
    vlm: VLM, lessons: Sequence[Lesson], before: Mapping[tuple[str, int], tuple[float, ...]], limit: int
) -> list[Example]:
    """One tree a picture, or several where it would have more than `limit` tokens; on the plain path one a completion.

    Args:
        before: what the ratio is taken to, by key; what the engine recorded where it is missing.
    """
    found: dict[Picture, tuple[Pixels, list[list[Sample]]]] = {}
    for lesson in lessons:
        request = lesson.group.request
        prompt = vlm.encode(request.picture, request.prompt)
        _, of_picture = found.setdefault(request.picture, (prompt.pixels, []))
        of_picture.append(
            [
                _sample(prompt.token_ids, completion, before, advantage, weight)
                for completion, advantage, weight in zip(
                    lesson.group.completions, lesson.advantages, lesson.weights, strict=True
                )
            ]
        )
    return [
        Example(_tree(samples), pixels, tuple(samples))
        for pixels, lists in found.values()
        for samples in (_alone(lists) if vlm.plain_because else _fit(lists, limit))
    ]


def micro_batches(examples: Sequence[Example], limit: int) -> Iterator[list[Example]]:
    """Trees of similar size together, at most `limit` tokens with padding, at least one tree."""
    batch: list[Example] = []
    for example in sorted(examples, key=lambda e: len(e.tree), reverse=True):
        if batch and len(batch[0].tree) * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


def _sample(
    prompt: tuple[int, ...],
    completion: Completion,
    before: Mapping[tuple[str, int], tuple[float, ...]],
    advantage: float,
    weight: float,
) -> Sample:
    key = (completion.request_id, completion.index)
    ids, logprobs = (*prompt, *completion.token_ids), completion.logprobs
    return Sample(key, ids, len(prompt), logprobs, before.get(key, logprobs), advantage, weight)


def _tree(samples: Sequence[Sample]) -> TokenTree:
    return TokenTree.build([sample.token_ids for sample in samples])


def _fit(lists: Sequence[list[Sample]], limit: int) -> Iterator[list[Sample]]:
    """Join the groups of a picture while their tree has at most `limit` tokens."""
    joined: list[Sample] = []
    for samples in lists:
        if joined and len(_tree([*joined, *samples])) > limit:
            yield joined
            joined = []
        joined = [*joined, *samples]
    yield joined


def _alone(lists: Sequence[list[Sample]]) -> Iterator[list[Sample]]:
    """Each completion by itself."""
    return ([sample] for samples in lists for sample in samples)
