"""What the truth is about a run's images, where the lab can know it. Measurement only.

The lab's own drawings come with their scenes. An image of easy-vqa shows one flat shape on
a flat ground, so its scene can be read off the pixels; no label file is opened for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from visplay.lab.oracle import truth
from visplay.lab.scene import Scene, Thing
from visplay.types import ImageRef, Question

_SCREEN_RGB: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "gray": (128, 128, 128),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "teal": (0, 128, 128),
    "brown": (165, 42, 42),
    "yellow": (255, 255, 0),
}

SceneOf = Callable[[ImageRef], Scene]


@dataclass(frozen=True, slots=True)
class Truth:
    """The oracle bound to a source of images."""

    scene_of: SceneOf

    def answer(self, question: Question) -> str | None:
        """The true answer, or None: not in the lab's language, or not answerable."""
        return truth(question.text, self.scene_of(question.image))


def drawn(scenes: Mapping[str, Scene]) -> SceneOf:
    """Scenes by image id, as the lab drew them."""
    return lambda image: scenes[image.id]


def read_flat_scene(image: ImageRef) -> Scene:
    """The one shape of an easy-vqa image: exact fill colour, shape by the share of its box.

    Raises:
        ValueError: no pixel has one of the eight fill colours.
    """
    pixels = np.asarray(image.load()).astype(float)
    exact = {name: int((np.abs(pixels - rgb).max(axis=2) <= 2).sum()) for name, rgb in _SCREEN_RGB.items()}
    best = max(exact, key=lambda name: exact[name])
    if not exact[best]:
        raise ValueError(f"{image.id} shows none of the easy-vqa fill colours")
    # The ground is whatever most pixels of the border are; an edge pixel belongs to what it is nearer to.
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    to_fill = np.abs(pixels - _SCREEN_RGB[best]).sum(axis=2)
    mask = to_fill < np.abs(pixels - np.median(border, axis=0)).sum(axis=2)
    ys, xs = np.nonzero(mask)
    top, bottom, left, right = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    # A rectangle fills its box, a circle about pi/4 of it, a triangle about half.
    share = mask[top:bottom, left:right].mean()
    shape = "rectangle" if share > 0.93 else "circle" if share > 0.65 else "triangle"
    height, width = mask.shape
    thing = Thing(
        best,
        shape,
        (left + right) / 2 / width,
        (top + bottom) / 2 / height,
        (right - left) / 2 / width,
        (bottom - top) / 2 / height,
    )
    return Scene((thing,))
