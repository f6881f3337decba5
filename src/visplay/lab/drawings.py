"""The lab's drawings as unlabeled images for self-play: `--images lab/pastel`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from visplay.lab.draw import STYLES, draw, png
from visplay.lab.scene import ALL_PAIRS, MOST_THINGS, Scene, random_scene
from visplay.types import ImageRef

SOURCES: tuple[str, ...] = (*STYLES, "single")
LAB_DRAWINGS = 4000


@lru_cache(maxsize=1)  # a run needs images and scenes several times
def drawings(source: str, count: int, seed: int) -> tuple[tuple[ImageRef, ...], Mapping[str, Scene]]:
    """`count` images, and the scene of each image by its id.

    Args:
        source: a style, with one to six things per image; or "single", one thing in the style "pastel", similar to
            easy-vqa.
    """
    style = STYLES["pastel" if source == "single" else source]
    rng = np.random.default_rng([seed, 3, SOURCES.index(source)])
    images, scenes = [], {}
    for number in range(count):
        things = 1 if source == "single" else int(rng.integers(1, MOST_THINGS + 1))
        scene = random_scene(rng, things, ALL_PAIRS, style.sizes, style.turned)
        image = ImageRef(f"lab/{source}/{seed}/{number}", png(draw(scene, style, rng)))
        images.append(image)
        scenes[image.id] = scene
    return tuple(images), MappingProxyType(scenes)
