"""The suite `sort_of_clevr`: questions about one of six objects, and about its relation to the others.

An image has 75 × 75 pixels and a white ground. It shows six objects, one of each color. Each is at random a circle of
radius 5 or a rectangle of 11 × 11 pixels. Centres are uniform, and at least 10 pixels from one another. Later colors
cover earlier ones. The pixels are those of OpenCV's filled circle and rectangle, in the order of the first public
generator. Each image has ten non-relational and ten relational questions, each of a random subtype and a random color,
drawn with replacement.

Answers are those of the generator, with one exception. The generator overwrites the distance of an object from itself
with 999 squared pixels, and so calls an object that is farther than that from all others the closest to itself. Here
the closest object is always another one. Of two objects at the same distance, the earlier color counts, as there. An
object counts among the objects of its shape, as in the list of answers (1 to 6) of the generator's `translator.py`.

The generator encodes questions as vectors, so the words are ours. Images are a fixed set, whatever the seed of a run:
image `n` is drawn from a random stream of its own, and the first images are drawn that hold the items that are asked
for. The test set has 2,000 images. 1,000 are the open half; the other 1,000, from other streams, are the sealed half.

Sources: Santoro et al. 2017, arXiv 1706.01427; sort_of_clevr_generator.py of
https://github.com/kimhc6028/relational-networks at commit 02c3e33.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from visplay.data.random_streams import random_stream
from visplay.interfaces.suite import SuiteSource
from visplay.types import ImageRef, Item, Suite

_COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "orange": (255, 156, 0),
    "gray": (128, 128, 128),
    "yellow": (255, 255, 0),
}
_SIDE, _RADIUS = 75, 5  # pixels
_IMAGES = 1_000  # of each half
_QUESTIONS = 10  # of each kind about an image


class SortOfCLEVR(SuiteSource, type="sort_of_clevr"):
    """Questions about six objects: `sort_of_clevr`, and those that relate objects as `sort_of_clevr_relational`."""

    has_sealed_half: ClassVar[bool] = True

    def open(self, seed: int, items: int | None, sealed: bool = False) -> tuple[Suite, ...]:
        images = _IMAGES if items is None else min(_IMAGES, -(-items // _QUESTIONS))
        half = "sort_of_clevr/sealed" if sealed else "sort_of_clevr"
        found = tuple(item for number in range(images) for item in _items(f"{half}/{number}"))
        relational = tuple(item for item in found if item.kind == "relational")
        return Suite("sort_of_clevr", found), Suite("sort_of_clevr_relational", relational)

    def __str__(self) -> str:
        return self.type


@dataclass(frozen=True, slots=True)
class _Object:
    """An object; its centre is in pixels from the left and from the top."""

    color: str
    shape: str
    x: int
    y: int

    def squared_distance(self, other: _Object) -> int:
        return (self.x - other.x) ** 2 + (self.y - other.y) ** 2


_Answer = Callable[[_Object, Sequence[_Object]], str]
"""The answer to a question about an object, given the other objects."""

_SUBTYPES: dict[str, tuple[tuple[str, _Answer], ...]] = {
    "non-relational": (
        ("what is the shape of the {} object?", lambda one, others: one.shape),
        ("is the {} object on the left side of the image?", lambda one, others: _yes(one.x < _SIDE / 2)),
        ("is the {} object in the top half of the image?", lambda one, others: _yes(one.y < _SIDE / 2)),
    ),
    "relational": (
        (
            "what is the shape of the object that is closest to the {} object?",
            lambda one, others: min(others, key=one.squared_distance).shape,
        ),
        (
            "what is the shape of the object that is furthest from the {} object?",
            lambda one, others: max(others, key=one.squared_distance).shape,
        ),
        (
            "how many objects have the shape of the {} object?",
            lambda one, others: str(sum(each.shape == one.shape for each in (one, *others))),
        ),
    ),
}


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def _items(image_id: str) -> list[Item]:
    """The twenty questions about an image, which its id decides alone."""
    rng = random_stream(0, image_id)
    objects = _objects(rng)
    image = ImageRef(image_id, _png(_draw(objects)))
    items = []
    for kind, subtypes in _SUBTYPES.items():
        for number in range(_QUESTIONS):
            one = objects[rng.integers(len(objects))]
            text, answer = subtypes[rng.integers(len(subtypes))]
            others = [each for each in objects if each is not one]
            name = f"{image_id}/{kind}-{number}"
            items.append(Item(name, image, text.format(one.color), answer(one, others), kind=kind))
    return items


def _objects(rng: np.random.Generator) -> list[_Object]:
    """Six objects in the order of their colors; no centre is closer than 10 pixels to another."""
    objects: list[_Object] = []
    while len(objects) < len(_COLORS):
        x, y = rng.integers(_RADIUS, _SIDE - _RADIUS, 2).tolist()
        one = _Object(list(_COLORS)[len(objects)], "rectangle" if rng.random() < 0.5 else "circle", x, y)
        if all(one.squared_distance(other) >= (2 * _RADIUS) ** 2 for other in objects):
            objects.append(one)
    return objects


def _draw(objects: Sequence[_Object]) -> Image.Image:
    canvas = np.full((_SIDE, _SIDE, 3), 255, dtype=np.uint8)
    rows, columns = np.ogrid[:_SIDE, :_SIDE]
    for one in objects:
        down, right = rows - one.y, columns - one.x
        # OpenCV fills exactly these pixels for radius 5, and both corners belong to its rectangle.
        inside = down**2 + right**2 <= _RADIUS**2
        if one.shape == "rectangle":
            inside = np.maximum(abs(down), abs(right)) <= _RADIUS
        canvas[inside] = _COLORS[one.color]
    return Image.fromarray(canvas)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
