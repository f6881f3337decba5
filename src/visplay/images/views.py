"""Views of a picture: what it shows stays true, how it looks changes a little.

A mirror image is none of them: it would turn left into right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from visplay.records import Picture, View

SHIFT = 0.06  # of width and height
SHRINK = 0.85
DIMMER, DARKER = 0.8, 0.6  # of the brightness


@dataclass(frozen=True, slots=True)
class ViewedPicture(Picture):
    """A picture that is decoded as one of its views."""

    view: View

    def load(self) -> Image.Image:
        """Decode as `Picture.load` does, then take the view."""
        return _TAKE[self.view](Picture.load(self))


def viewed(picture: Picture, view: View) -> Picture:
    """The picture itself for "plain", else a picture with the id `<id>~<view>`; nothing is decoded yet."""
    return picture if view == "plain" else ViewedPicture(f"{picture.id}~{view}", picture.data, view)


def _shifted(image: Image.Image) -> Image.Image:
    """Moved to the right and down; the border is continued into what comes free."""
    down, right = round(image.height * SHIFT), round(image.width * SHIFT)
    return _padded(image, (down, 0), (right, 0)).crop((0, 0, image.width, image.height))


def _smaller(image: Image.Image) -> Image.Image:
    """Seen from farther away, the border continued around it."""
    width, height = max(1, round(image.width * SHRINK)), max(1, round(image.height * SHRINK))
    across, along = image.width - width, image.height - height
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    return _padded(small, (along // 2, along - along // 2), (across // 2, across - across // 2))


def _padded(image: Image.Image, rows: tuple[int, int], columns: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.pad(np.asarray(image), (rows, columns, (0, 0)), mode="edge"))


_TAKE: dict[View, Callable[[Image.Image], Image.Image]] = {
    "shifted": _shifted,
    "smaller": _smaller,
    "dimmer": lambda image: ImageEnhance.Brightness(image).enhance(DIMMER),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(DARKER),
}
