"""The exact task `paste_and_count`: how many marks were pasted onto the picture?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from pydantic import Field

from visplay.labeling.tasks.exact import Drawn, ExactTask, reduced

_COLORS = {
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
    "yellow": (255, 255, 0),
    "green": (0, 255, 0),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
}
_CELLS = 4  # of each side; a cell holds one mark
_DISTINCT = 90.0  # least distance of the marks' colour from all colours of the image, of 441


class PasteAndCount(ExactTask, type="paste_and_count"):
    """Asks how many discs were pasted, in a colour that the picture does not have (EVE, arXiv 2604.18320)."""

    most: int = Field(6, ge=2, le=_CELLS**2, description="most discs; each number from 1 on is as frequent")

    def draw(self, originals: Sequence[Image.Image], stream: np.random.Generator) -> Drawn | None:
        pixels_P3 = reduced(originals[0]).reshape(-1, 3)
        gaps = [float(np.linalg.norm(pixels_P3 - color, axis=1).min()) for color in _COLORS.values()]
        color, count = int(np.argmax(gaps)), 1 + int(stream.integers(self.most))
        if gaps[color] < _DISTINCT:
            return None
        cells = stream.permutation(_CELLS**2)[:count]
        places = [int(number) for cell in cells for number in (cell, *stream.integers(1001, size=2))]
        text = f"Discs in pure {list(_COLORS)[color]} were pasted onto the picture. How many are there?"
        return Drawn((color, *places), text, str(count), "numerical")

    @classmethod
    def make(cls, originals: Sequence[Image.Image], numbers: Sequence[int]) -> Image.Image:
        found, (color, *places) = originals[0].copy(), numbers
        width, height = found.width // _CELLS, found.height // _CELLS
        side = min(width, height) * 3 // 5
        for cell, x, y in zip(places[::3], places[1::3], places[2::3], strict=True):
            # At least a pixel of the image stays around a disc.
            left = cell % _CELLS * width + 1 + (width - side - 2) * x // 1000
            top = cell // _CELLS * height + 1 + (height - side - 2) * y // 1000
            box = (left, top, left + side - 1, top + side - 1)
            ImageDraw.Draw(found).ellipse(box, fill=list(_COLORS.values())[color])
        return found
