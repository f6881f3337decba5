"""The order of requests, and batches for decoding, which shrink when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from visplay.errors import one_line
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


LEAST_TOKENS = 64  # the least engine.tokens


class BatchOutOfMemory(Exception):
    """Memory ran out while a batch was decoded; `size` is that of the whole batch."""

    def __init__(self, size: BatchLimits, reason: str) -> None:
        super().__init__(reason)
        self.size = size


@contextmanager
def decoding(size: BatchLimits) -> Iterator[None]:
    """Context manager that turns an error about memory into `BatchOutOfMemory`."""
    # Imported here, because settings are read without torch.
    from visplay.models.out_of_memory import is_out_of_memory

    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise BatchOutOfMemory(size, one_line(error)) from None


@dataclass
class SharedLimits:
    """The limits of the engines that share a device; they shrink when memory runs out, and stay so."""

    limits: BatchLimits

    def __post_init__(self) -> None:
        self._in_settings = self.limits

    @property
    def is_reduced(self) -> bool:
        return self.limits != self._in_settings

    def halve(self, size: BatchLimits) -> bool:
        """Decode at most half of a batch that did not fit; False if it has one answer, so nothing is left to halve."""
        if size.answers <= 1:
            return False
        self.shrink(BatchLimits(min(size.answers, self.limits.answers) // 2, min(size.tokens, self.limits.tokens) // 2))
        return True

    def shrink(self, limits: BatchLimits) -> None:
        """Go on within these limits, or the present ones where they are less."""
        answers, tokens = map(min, limits, self.limits)
        self.limits = BatchLimits(max(1, answers), max(LEAST_TOKENS, tokens))


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
