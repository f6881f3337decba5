"""The exact task `jigsaw`: where did a tile of the shuffled picture go?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from PIL import Image

from visplay.labeling.tasks.exact import PLACES, Drawn, ExactTask, Quarters, look_alike, with_options

_QUESTION = "The picture was cut into four tiles and shuffled. Where is the tile that belongs top left?"


class Jigsaw(ExactTask, type="jigsaw"):
    """Asks where the tile that belongs top left went when the picture was cut into 2 × 2 tiles and shuffled.

    Visual Jigsaw (arXiv 2509.25190) asks for the whole order; one tile has an answer with four options.
    """

    def draw(self, originals: Sequence[Image.Image], stream: np.random.Generator) -> Drawn | None:
        (image,) = originals
        quarters = Quarters.of(image)
        if look_alike(*(image.crop(quarters.box(place)) for place in range(4))):
            return None
        right = int(stream.integers(4))
        shuffled = [order for order in permutations(range(4)) if order.index(0) == right and order != (0, 1, 2, 3)]
        return Drawn(shuffled[stream.integers(len(shuffled))], *with_options(_QUESTION, PLACES, right))

    @classmethod
    def make(cls, originals: Sequence[Image.Image], numbers: Sequence[int]) -> Image.Image:
        """The tile `numbers[place]` is at each place."""
        image, quarters = originals[0], Quarters.of(originals[0])
        found = image.copy()
        for place, tile in enumerate(numbers[:4]):
            found.paste(image.crop(quarters.box(tile)), quarters.box(place))
        return found
