"""The lab's drawings as unlabeled pictures, to evolve on: `--images lab/pastel`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from visplay.config import Settings
from visplay.images import Catalogue, ImageError, open_images
from visplay.lab.draw import LOOKS, STYLES, draw, png
from visplay.lab.scene import ALL_PAIRS, Scene, random_scene
from visplay.records import Picture

SOURCES: tuple[str, ...] = (*LOOKS, "single")
LAB_DRAWINGS = 4000


def open_pictures(settings: Settings) -> Catalogue:
    """The pictures to evolve on: a folder, easy-vqa, or drawings of the lab.

    Raises:
        visplay.images.ImageError: the source cannot be used.
    """
    if not settings.images.startswith("lab/"):
        return open_images(settings.images)
    source = settings.images.removeprefix("lab/")
    return Catalogue(settings.images, kept_drawings(source, LAB_DRAWINGS, settings.seed)[0])


@lru_cache(maxsize=1)
def kept_drawings(source: str, count: int, seed: int) -> tuple[tuple[Picture, ...], Mapping[str, Scene]]:
    """What `drawings` gives, drawn once: a run asks for its pictures, then for their truth, then for both to show."""
    pictures, scenes = drawings(source, count, seed)
    return pictures, MappingProxyType(scenes)


def drawings(source: str, count: int, seed: int) -> tuple[tuple[Picture, ...], dict[str, Scene]]:
    """`count` pictures and, apart from them, the scene of each picture id.

    Args:
        source: a look, with one to three things a picture; or "single", one thing in the
            pastel look, which is what easy-vqa resembles.
    Raises:
        ImageError: an unknown source.
    """
    if source not in SOURCES:
        raise ImageError(f"no lab drawings '{source}'; choose one of {', '.join('lab/' + s for s in SOURCES)}")
    look = "pastel" if source == "single" else source
    style = STYLES[look]
    rng = np.random.default_rng([seed, 3, SOURCES.index(source)])
    pictures, scenes = [], {}
    for number in range(count):
        things = 1 if source == "single" else int(rng.integers(1, 4))
        scene = random_scene(rng, things, ALL_PAIRS, style.sizes, style.turned)
        picture = Picture(f"lab/{source}/{seed}/{number}", png(draw(scene, look, rng)))
        pictures.append(picture)
        scenes[picture.id] = scene
    return tuple(pictures), scenes
