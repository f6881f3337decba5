"""What a source of images holds: the images that can be used, and what was left aside."""

from __future__ import annotations

from dataclasses import dataclass

from visplay.types import ImageRef


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
    """The images of one source, in an order that depends on their names alone.

    Attributes:
        source: what was opened, as the user wrote it.
        images: readable images with unique ids; never empty.
        skipped: what was found and could not be used, ordered by path.
    """

    source: str
    images: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...] = ()
