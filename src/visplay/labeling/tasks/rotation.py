"""The exact task `rotation`: by how much was the picture turned?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from visplay.labeling.tasks.exact import GREY, Drawn, ExactTask, look_alike, with_options

_TURNS = ("not at all", "90 degrees", "180 degrees", "270 degrees")
# Pillow turns against the clock.
_TRANSPOSE = (None, Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)


class Rotation(ExactTask, type="rotation"):
    """Asks by how much the picture was turned clockwise: 0, 90, 180 or 270 degrees (SSL-R1, arXiv 2604.20705).

    The square in the middle of the image is turned, and the rest is grey, so that no side tells a quarter turn.
    """

    def draw(self, originals: Sequence[Image.Image], stream: np.random.Generator) -> Drawn | None:
        (image,) = originals
        if look_alike(*(self.make([image], [turns]) for turns in range(4))):
            return None
        turns = int(stream.integers(4))
        return Drawn((turns,), *with_options("By how much was the picture turned clockwise?", _TURNS, turns))

    @classmethod
    def make(cls, originals: Sequence[Image.Image], numbers: Sequence[int]) -> Image.Image:
        image, turn = originals[0], _TRANSPOSE[numbers[0]]
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side))
        found = Image.new("RGB", image.size, GREY)
        found.paste(square if turn is None else square.transpose(turn), (left, top))
        return found
