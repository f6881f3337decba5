"""The exact task `which_crop`: from which place of the picture is a crop?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from visplay.labeling.tasks.exact import PLACES, Drawn, ExactTask, Quarters, look_alike, side_by_side, with_options

_QUESTION = "Which of the four framed parts of the left picture does the right picture show?"
_FRAME = (255, 0, 255)
_TRIES = 4


class WhichCrop(ExactTask, type="which_crop"):
    """Asks which of four framed parts of a picture is enlarged beside it (SSL-R1, arXiv 2604.20705)."""

    def draw(self, originals: Sequence[Image.Image], stream: np.random.Generator) -> Drawn | None:
        (image,), right = originals, int(stream.integers(4))
        for _ in range(_TRIES):
            x, y = (int(number) for number in stream.integers(1001, size=2))
            if not look_alike(*_parts(image, x, y)):
                return Drawn((right, x, y), *with_options(_QUESTION, PLACES, right))
        return None

    @classmethod
    def make(cls, originals: Sequence[Image.Image], numbers: Sequence[int]) -> Image.Image:
        image, framed, (right, x, y) = originals[0], originals[0].copy(), numbers
        line = max(1, min(image.size) // 100)
        for place in range(4):
            left, top, end, bottom = Quarters.of(image).box(place, Quarters.of(image).inner(x, y))
            box = (left - line, top - line, end + line - 1, bottom + line - 1)
            ImageDraw.Draw(framed).rectangle(box, outline=_FRAME, width=line)
        return side_by_side(framed, _parts(image, x, y)[right], image.size)


def _parts(image: Image.Image, x: int, y: int) -> list[Image.Image]:
    quarters = Quarters.of(image)
    return [image.crop(quarters.box(place, quarters.inner(x, y))) for place in range(4)]
