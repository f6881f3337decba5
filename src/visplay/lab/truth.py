"""True answers for the images of a run, for measurement only.

The scenes of the lab's drawings are known. An image of easy-vqa shows one flat shape on a flat ground, so its scene is
read from the pixels; no label file is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from visplay.errors import ImageError
from visplay.lab.draw import PURE_RGB
from visplay.lab.drawings import scene_of
from visplay.lab.language import read
from visplay.lab.oracle import truth
from visplay.lab.scene import Scene, Thing
from visplay.labeling.programs.program import UNKNOWN
from visplay.types import ImageRef, Question


@dataclass(frozen=True, slots=True)
class Truth:
    """The oracle for the images of a source."""

    scene_of: Callable[[ImageRef], Scene]

    def answer(self, question: Question) -> str | None:
        """The true answer; None if the question is not in the lab's language or has no answer.

        A question that was asked for its false premise is truly answered by `UNKNOWN` where it has no other answer.
        """
        found = truth(question.text, self.scene_of(question.image))
        if found is None and question.skill.startswith("premise/") and read(question.text) is not None:
            return UNKNOWN
        return found


def drawn(scenes: Mapping[str, Scene]) -> Callable[[ImageRef], Scene]:
    """Looks up the scene of a drawing by its image id."""
    return lambda image: scenes[image.id]


def known_scene(image: ImageRef) -> Scene:
    """The scene of an image of the lab or of easy-vqa, which its id tells apart; ImageError for any other image."""
    scene = scene_of(image.id)
    if scene is None and not image.id.startswith("easy-vqa/"):
        raise ImageError(f"{image.id}: the truth is known for images of the lab and of easy-vqa alone")
    return scene or read_flat_scene(image)


def read_flat_scene(image: ImageRef) -> Scene:
    """The scene of an easy-vqa image, with the colour from exact pixels and the shape from its share of its box."""
    pixels = np.asarray(image.load()).astype(float)
    exact = {name: int((np.abs(pixels - rgb).max(axis=2) <= 2).sum()) for name, rgb in PURE_RGB.items()}
    color = max(exact, key=lambda name: exact[name])
    # The median of the border is the ground. A pixel belongs to the colour that is nearer.
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    to_fill = np.abs(pixels - PURE_RGB[color]).sum(axis=2)
    mask = to_fill < np.abs(pixels - np.median(border, axis=0)).sum(axis=2)
    ys, xs = np.nonzero(mask)
    top, bottom, left, right = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    # A rectangle fills its box, a circle about pi/4 of it, a triangle about half.
    share = mask[top:bottom, left:right].mean()
    shape = "rectangle" if share > 0.93 else "circle" if share > 0.65 else "triangle"
    height, width = mask.shape
    center = (left + right) / 2 / width, (top + bottom) / 2 / height
    return Scene((Thing(color, shape, *center, (right - left) / 2 / width, (bottom - top) / 2 / height),))
