"""The exact task `spot_the_edit`: where do two pictures differ?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from visplay.labeling.tasks.exact import (
    PLACES,
    VISIBLE,
    Drawn,
    ExactTask,
    Quarters,
    reduced,
    side_by_side,
    with_options,
)

_QUESTION = "The right picture is the left one with one change. Where in the picture is the change?"
_CHANGES = 3  # recoloured, copied, blanked
_CLEAR = 4 * VISIBLE  # a change covers a ninth of the picture


class SpotTheEdit(ExactTask, type="spot_the_edit"):
    """Asks in which quarter two pictures side by side differ, of which one was edited (EVE, arXiv 2604.18320).

    A patch is shown in its negative, covered by a patch of another quarter, or covered by black or white.
    """

    def draw(self, originals: Sequence[Image.Image], stream: np.random.Generator) -> Drawn | None:
        (image,) = originals
        place, change, x, y = (int(stream.integers(most)) for most in (4, _CHANGES, 1001, 1001))
        box = Quarters.of(image).box(place, Quarters.of(image).inner(x, y))
        patch = image.crop(box)
        # A negative of grey or a copy of the same ground cannot be seen; black or white always can.
        while change < _CHANGES - 1 and np.abs(reduced(_edited(image, box, change)) - reduced(patch)).mean() < _CLEAR:
            change += 1
        return Drawn((place, change, x, y), *with_options(_QUESTION, PLACES, place))

    @classmethod
    def make(cls, originals: Sequence[Image.Image], numbers: Sequence[int]) -> Image.Image:
        image, edited, (place, change, x, y) = originals[0], originals[0].copy(), numbers
        box = Quarters.of(image).box(place % 4, Quarters.of(image).inner(x, y))
        edited.paste(_edited(image, box, change), box)
        return side_by_side(image, edited, image.size)


def _edited(image: Image.Image, box: tuple[int, int, int, int], change: int) -> Image.Image:
    """What covers the box."""
    patch = image.crop(box)
    if change == 0:
        return ImageOps.invert(patch)
    if change == 1:
        quarters = Quarters.of(image)
        across = quarters.width if box[0] < quarters.width else -quarters.width
        down = quarters.height if box[1] < quarters.height else -quarters.height
        return image.crop((box[0] + across, box[1] + down, box[2] + across, box[3] + down))
    dark = float(reduced(patch).mean()) < 128
    return Image.new("RGB", patch.size, "white" if dark else "black")
