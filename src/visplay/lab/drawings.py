"""The lab's drawings as unlabeled images, to evolve on: `--images lab/pastel`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from visplay.errors import ImageError
from visplay.lab.draw import LOOKS, STYLES, draw, png
from visplay.lab.scene import ALL_PAIRS, Scene, random_scene
from visplay.types import ImageRef

SOURCES: tuple[str, ...] = (*LOOKS, "single")
LAB_DRAWINGS = 4000


@lru_cache(maxsize=1)
def kept_drawings(source: str, count: int, seed: int) -> tuple[tuple[ImageRef, ...], Mapping[str, Scene]]:
    """What `drawings` gives, drawn once: a run asks for its images, then for their truth, then for both to show."""
    images, scenes = drawings(source, count, seed)
    return images, MappingProxyType(scenes)


def drawings(source: str, count: int, seed: int) -> tuple[tuple[ImageRef, ...], dict[str, Scene]]:
    """`count` images and, apart from them, the scene of each image id.

    Args:
        source: a look, with one to three things per image; or "single", one thing in the
            pastel look, which is what easy-vqa resembles.
    Raises:
        ImageError: an unknown source.
    """
    if source not in SOURCES:
        raise ImageError(f"no lab drawings '{source}'; choose one of {', '.join('lab/' + s for s in SOURCES)}")
    look = "pastel" if source == "single" else source
    style = STYLES[look]
    rng = np.random.default_rng([seed, 3, SOURCES.index(source)])
    images, scenes = [], {}
    for number in range(count):
        things = 1 if source == "single" else int(rng.integers(1, 4))
        scene = random_scene(rng, things, ALL_PAIRS, style.sizes, style.turned)
        image = ImageRef(f"lab/{source}/{seed}/{number}", png(draw(scene, look, rng)))
        images.append(image)
        scenes[image.id] = scene
    return tuple(images), scenes
