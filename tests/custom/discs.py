"""An image source of a user's own."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw
from pydantic import Field

from visplay.interfaces.image_source import Catalogue, ImageSource
from visplay.types import ImageRef

COLORS = ("red", "green", "blue", "yellow")


class Discs(ImageSource):
    """Images of one disc each, drawn from the seed."""

    count: int = Field(12, ge=1, description="number of images")

    def open(self, seed: int) -> Catalogue:
        random = np.random.default_rng(seed)
        return Catalogue(str(self), tuple(_disc(f"discs/{n}", random) for n in range(self.count)))

    def __str__(self) -> str:
        return "discs"


def _disc(name: str, random: np.random.Generator) -> ImageRef:
    image = Image.new("RGB", (64, 64), "dimgray")
    left, top = (int(place) for place in random.integers(4, 36, 2))
    ImageDraw.Draw(image).ellipse((left, top, left + 22, top + 22), fill=str(random.choice(COLORS)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return ImageRef(name, buffer.getvalue())
