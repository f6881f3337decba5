"""The exact task `odd_one_out`: which of four views shows another picture?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from PIL import Image

from visplay.labeling.tasks.exact import PLACES, Drawn, ExactTask, Quarters, is_blank, look_alike, with_options

_QUESTION = "Three of these four views are from one picture. Which one is from another picture?"
_TRIES = 4


class OddOneOut(ExactTask, type="odd_one_out"):
    """Asks which of four views, of half the sides each, is of another image (SSL-R1, arXiv 2604.20705)."""

    pictures: ClassVar[int] = 2

    def draw(self, originals: Sequence[Image.Image], stream: np.random.Generator) -> Drawn | None:
        right = int(stream.integers(4))
        for _ in range(_TRIES):
            corners = [int(number) for number in stream.integers(1001, size=8)]
            views = _views(originals, (0, *corners))
            # The views of one image may look alike.
            if not any(map(is_blank, views)) and not any(look_alike(views[0], view) for view in views[1:]):
                return Drawn((right, *corners), *with_options(_QUESTION, PLACES, right))
        return None

    @classmethod
    def make(cls, originals: Sequence[Image.Image], numbers: Sequence[int]) -> Image.Image:
        found, quarters = originals[0].copy(), Quarters.of(originals[0])
        for place, view in enumerate(_views(originals, numbers)):
            found.paste(view, quarters.box(place))
        return found


def _views(originals: Sequence[Image.Image], numbers: Sequence[int]) -> list[Image.Image]:
    """The four views in the order of their places; `numbers` are the odd place, and a corner for each place."""
    size, (odd, *corners) = Quarters.of(originals[0]), numbers
    views = []
    for place, (x, y) in enumerate(zip(corners[::2], corners[1::2], strict=True)):
        image = originals[place == odd]
        half = Quarters.of(image)
        left, top = (image.width - half.width) * x // 1000, (image.height - half.height) * y // 1000
        view = image.crop((left, top, left + half.width, top + half.height))
        views.append(view if view.size == size else view.resize(size, Image.Resampling.BOX))
    return views
