"""The lab's drawings as unlabeled images for self-play: `--images lab/pastel`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from visplay.lab.draw import STYLES, draw, png
from visplay.lab.scene import ALL_PAIRS, MOST_THINGS, Scene, random_scene
from visplay.types import ImageRef

SOURCES: tuple[str, ...] = (*STYLES, "single")
LAB_DRAWINGS = 4000
_ID = re.compile(r"lab/(\w+)/(\d+)/(\d+)")  # source, seed and number


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


def scene_of(image_id: str) -> Scene | None:
    """The scene of a drawing, generated anew from the id of its image; None for the id of another image."""
    found = _ID.fullmatch(image_id)
    if found is None or found[1] not in SOURCES:
        return None
    count = LAB_DRAWINGS
    while count <= int(found[3]):
        count *= 2
    return _scenes(found[1], count, int(found[2]))[image_id]


@lru_cache(maxsize=8)
def _scenes(source: str, count: int, seed: int) -> Mapping[str, Scene]:
    return drawings(source, count, seed)[1]
