"""The order of requests, and batches for decoding."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from visplay.types import Request

T = TypeVar("T")


def grouped_by_image(requests: Sequence[Request]) -> list[Request]:
    """The requests, sorted by image, images in the order of their first request.

    Each image is encoded once, and its keys and values are still in an engine's prefix cache for its next request.
    """
    if len({request.id for request in requests}) < len(requests):
        raise ValueError("two requests to generate have the same id; ids must be unique")
    order = {image: place for place, image in enumerate(dict.fromkeys(r.image for r in requests))}
    return sorted(requests, key=lambda request: order[request.image])


class BatchLimits(NamedTuple):
    """Largest size of a batch, padding included; a batch with a single item may exceed it."""

    answers: int  # decoded at once, for the memory of the KV cache
    tokens: int  # of images and prompts, for the memory of the prefill if each image has a single question


class ItemSize(NamedTuple):
    """Size of an item: its answers, its prompt tokens, and its kind. A batch has items of one kind."""

    answers: int
    tokens: int
    kind: Hashable = None


def make_batches(items: Iterable[T], size: Callable[[T], ItemSize], limits: BatchLimits) -> Iterator[list[T]]:
    """Batches of items of one kind, in order; every item of a batch is padded to the largest.

    Lazy: besides the batch that is yielded, which the caller may empty, memory holds the next item and one unfinished
    batch per kind.
    """
    unfinished: dict[Hashable, tuple[list[T], int, int]] = {}
    for item in items:
        own = size(item)
        batch, answers, tokens = unfinished.pop(own.kind, ([], 0, 0))
        answers, tokens = max(answers, own.answers), max(tokens, own.tokens)
        count = len(batch) + 1
        if batch and (count * answers > limits.answers or count * tokens > limits.tokens):
            yield batch
            batch, answers, tokens = [], own.answers, own.tokens
        unfinished[own.kind] = ([*batch, item], answers, tokens)
    for batch, _, _ in unfinished.values():
        yield batch
