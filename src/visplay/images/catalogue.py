"""What a source of images holds: the pictures that can be used, and what was left aside."""

from __future__ import annotations

from dataclasses import dataclass

from visplay.records import Picture


class ImageError(ValueError):
    """A source of images cannot be used; the message is one line that says which and what to do."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that could not be used.

    Attributes:
        path: relative to the source, "/" between its parts.
        reason: one line.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The pictures of one source, in an order that depends on their names alone.

    Attributes:
        source: what was opened, as the user wrote it.
        pictures: readable images with unique ids; never empty.
        skipped: what was found and could not be used, ordered by path.
    """

    source: str
    pictures: tuple[Picture, ...]
    skipped: tuple[Skipped, ...] = ()
