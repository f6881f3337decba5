"""How much is decoded at once: few enough answers for their keys and values, few enough tokens for what comes before.

Where each image is asked one thing, as by a benchmark, what is read sets the memory and not what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most of a batch, padding included; one that holds a single thing to decode may have more.

    Attributes:
        answers: completions that are decoded at once.
        tokens: of images and prompts, which are computed at once at the start.
    """

    answers: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Size:
    """Of a thing to decode: answers that grow on it, tokens they share, and a kind, as only what is alike is joined."""

    answers: int
    tokens: int
    kind: Hashable = None


def cut(things: Iterable[T], size: Callable[[T], Size], bounds: Bounds) -> Iterator[list[T]]:
    """Batches of things of a kind in their order, each padded to its widest and its longest.

    Things are taken as they are needed: beside a batch that is handed out, to be emptied at will, there are the one
    that comes next and, where there are several kinds, batches that are not full yet.
    """
    filling: dict[Hashable, tuple[list[T], int, int]] = {}
    for thing in things:
        own = size(thing)
        batch, widest, longest = filling.pop(own.kind, ([], 0, 0))
        wide, long = max(widest, own.answers), max(longest, own.tokens)
        count = len(batch) + 1
        if batch and (count * wide > bounds.answers or count * long > bounds.tokens):
            yield batch
            batch, wide, long = [], own.answers, own.tokens
        filling[own.kind] = ([*batch, thing], wide, long)
    for batch, _, _ in filling.values():
        yield batch
