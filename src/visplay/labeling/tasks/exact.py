"""What the exact tasks share: whether an image can be used, options, and the candidate of a task.

An exact task makes an image of an unlabeled one, and so knows the answer to a question about it: SSL-R1
(arXiv 2604.20705), Visual Jigsaw (2509.25190), EVE (2604.18320). Whether an image is used never depends on the answer
that was drawn, so all answers are equally frequent, whatever the images show.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from string import ascii_uppercase
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image
from pydantic import Field

from visplay.data.made_images import made
from visplay.data.random_streams import random_stream
from visplay.errors import UnreadableImage
from visplay.interfaces.labeler import Voter
from visplay.interfaces.task_source import TaskSource
from visplay.types import Candidate, ImageRef, Question, QuestionType, VoteResult

PLACES = ("top left", "top right", "bottom left", "bottom right")
"""The quarters of an image, in the order of rows."""
GREY = (128, 128, 128)
VISIBLE = 6.0
"""Mean difference of two images, of 255 and at a reduced size, from which they do not look alike."""
_REDUCED = 24  # pixels of each side of the reduced image

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a task drew for an image: the numbers that make the new image, the question about it, and the answer."""

    numbers: tuple[int, ...]
    text: str
    answer: str
    type: QuestionType = "multiple choice"


class ExactTask(TaskSource):
    """A task source whose answers are known by construction; no vote and no gate is needed."""

    pictures: ClassVar[int] = 1
    """How many images a made image shows; the others are the next ones of the same call."""

    least_side: int = Field(48, ge=32, description="shorter side of the smallest image that is used, in pixels")

    def draw(self, originals: Sequence[Image.Image], stream: np.random.Generator) -> Drawn | None:
        """The task on decoded images, or None if it could not be solved by looking, whatever the answer."""
        raise NotImplementedError

    def tasks(self, images: Sequence[ImageRef], voter: Voter, tag: str, seed: int) -> list[Candidate]:
        """A question about each image that can be used; the Reasoner is not asked."""
        found = []
        for place, image in enumerate(images[: len(images) if len(images) >= self.pictures else 0]):
            originals = [images[(place + further) % len(images)] for further in range(self.pictures)]
            name = f"{tag}/{image.id}"
            drawn = None
            with suppress(UnreadableImage):
                drawn = self._drawn([original.load() for original in originals], random_stream(seed, name))
            if drawn is not None:
                question = Question(name, made(self.type, drawn.numbers, originals), drawn.type, drawn.text)
                found.append(Candidate(question, (), VoteResult(name, drawn.answer, 1.0, votes=0, unboxed=0)))
        return found

    def _drawn(self, decoded: Sequence[Image.Image], stream: np.random.Generator) -> Drawn | None:
        usable = all(min(image.size) >= self.least_side and not is_blank(image) for image in decoded)
        return self.draw(decoded, stream) if usable else None


def with_options(question: str, options: Sequence[str], right: int) -> tuple[str, str]:
    """A question with lettered options, and the right one as an answer, such as `B. top right`."""
    listed = [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, options, strict=False)]
    return f"{question} {' '.join(listed)}", listed[right]


def is_blank(image: Image.Image) -> bool:
    """Whether nothing but an even ground can be seen."""
    return float(reduced(image).std(axis=(0, 1)).max()) < VISIBLE / 2


def look_alike(*images: Image.Image) -> bool:
    """Whether two of the images could be confused; sizes do not count."""
    return any(np.abs(one - other).mean() < VISIBLE for one, other in combinations(map(reduced, images), 2))


def reduced(image: Image.Image) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """The image as a model sees it from afar: (rows, columns, channels), each side `_REDUCED` pixels, 0 to 255."""
    return np.asarray(image.resize((_REDUCED, _REDUCED), Image.Resampling.BOX)).astype(np.float64)


class Quarters(NamedTuple):
    """An image in four equal tiles; a last row or column of an odd number of pixels is left over."""

    width: int
    height: int

    @classmethod
    def of(cls, image: Image.Image) -> Quarters:
        return cls(image.width // 2, image.height // 2)

    def box(self, place: int, inside: Box | None = None) -> Box:
        """The tile at a place, or the box that is `inside` it."""
        left, top = place % 2 * self.width, place // 2 * self.height
        x, y, right, bottom = inside or (0, 0, self.width, self.height)
        return left + x, top + y, left + right, top + bottom

    def inner(self, x: int, y: int) -> Box:
        """A box of two thirds of a tile's sides inside a tile, at `x` and `y` thousandths of the space around it."""
        width, height = self.width * 2 // 3, self.height * 2 // 3
        left, top = (self.width - width) * x // 1000, (self.height - height) * y // 1000
        return left, top, left + width, top + height


def side_by_side(left: Image.Image, right: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Two pictures at half of `size` beside each other, in the middle of a grey image of `size`."""
    width, height = size[0] // 2, size[1] // 2
    found = Image.new("RGB", size, GREY)
    for place, picture in enumerate((left, right)):
        found.paste(picture.resize((width, height), Image.Resampling.BOX), (place * width, height // 2))
    return found
