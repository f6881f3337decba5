"""The seam of image sources: where the unlabeled images come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from visplay.interfaces.component import Chosen, Component
from visplay.interfaces.observer import Observer
from visplay.types import ImageRef


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that could not be used.

    Example: `Skipped("2024/beach.heic", "not an image, or of a format that cannot be read")`.

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
        source: the source as the user wrote it.
        images: readable images with unique ids; never empty.
        skipped: files that could not be used, ordered by path.
    """

    source: str
    images: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...] = ()


class ImageSource(Component, seam="image_source"):
    """A source of unlabeled images."""

    def open(self, seed: int) -> Catalogue:
        """All images of the source.

        Args:
            seed: of the run; a source that draws its images uses it.
        Raises:
            ImageError: the source cannot be used.
        """
        raise NotImplementedError

    def observer(self, seed: int) -> Observer | None:
        """What measures labels and verdicts against the truth; None where the truth about the images is not known."""
        return None

    @property
    def public_name(self) -> str:
        """The name that a model card may publish: it says nothing of this machine."""
        return str(self)

    @classmethod
    def from_text(cls, text: str) -> Mapping[str, Any] | Self:
        """`easy-vqa`, `lab/STYLE`, or a folder (`./easy-vqa` is a folder)."""
        if text == "easy-vqa":
            return {"type": text}
        if text.startswith("lab/"):
            return {"type": "lab", "style": text.removeprefix("lab/")}
        return {"type": "folder", "path": text}


AnyImageSource = Annotated[ImageSource, Chosen("image_source")]
