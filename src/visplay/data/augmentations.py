"""Views of an image: what it shows stays true, how it looks changes a little.

Two of them are not for every question: a mirror turns left into right, and other colours are
for questions that neither name nor ask for one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from visplay.types import Augmentation, ImageList, ImageRef

SHIFT = 0.06  # of width and height
SHRINK = 0.85
CROP = 0.06  # of width and height, on each side
DIMMER, DARKER, BRIGHTER = 0.8, 0.6, 1.15  # of the brightness

# What a mirror turns around: sides, places, clocks and writing.
_SIDED = re.compile(
    r"\b(?:left\w*|right\w*|side|sides|east\w*|west\w*|clock\w*|counter-?clock\w*|o'?clock|time|where|direction\w*|"
    r"position\w*|locat\w*|point\w*|fac(?:e|es|ing)|read|reads|say|says|words?|texts?|letters?|numbers? on|digits?|"
    r"written|writ\w*|signs?|label\w*|title|names?|first|last|order)\b"
)
_COLOURED = re.compile(
    r"\b(?:\w*colou?r\w*|hues?|shades?|tints?|bright\w*|dark\w*|light\w*|pale\w*|(?:black|white|gr[ae]y|red|green|"
    r"blue|teal|brown|yellow|orange|purple|violet|pink|cyan|magenta|beige|tan|navy|maroon|turquoise)(?:s|d?ish|d?er|d?est)?|"
    r"gold\w*|silver\w*|ripe\w*|sunny|sky|legend|same|different)\b"
)


@dataclass(frozen=True, slots=True)
class AugmentedImage(ImageRef):
    """An image that is decoded as one of its augmentations."""

    augmentation: Augmentation

    def load(self) -> Image.Image:
        """Decode as `ImageRef.load` does, then take the augmentation."""
        return _TAKE[self.augmentation](ImageRef.load(self))


def augmented(image: ImageRef, augmentation: Augmentation) -> ImageRef:
    """The image itself for "plain", else an image with the id `<id>~<augmentation>`; nothing is decoded yet."""
    if augmentation == "plain":
        return image
    return ImageList.of([AugmentedImage(f"{part.id}~{augmentation}", part.data, augmentation) for part in image.parts])


def preserves_answer(augmentation: Augmentation, question: str) -> bool:
    """Whether an augmentation surely leaves the answer to a question as it is, as far as its words tell."""
    words = question.lower()
    if augmentation == "mirrored":
        return _SIDED.search(words) is None
    return augmentation != "recoloured" or _COLOURED.search(words) is None


def _shifted(image: Image.Image) -> Image.Image:
    """Moved to the right and down; the border is continued into what comes free."""
    down, right = round(image.height * SHIFT), round(image.width * SHIFT)
    return _padded(image, (down, 0), (right, 0)).crop((0, 0, image.width, image.height))


def _smaller(image: Image.Image) -> Image.Image:
    """Seen from farther away, the border continued around it."""
    width, height = max(1, round(image.width * SHRINK)), max(1, round(image.height * SHRINK))
    across, along = image.width - width, image.height - height
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    return _padded(small, (along // 2, along - along // 2), (across // 2, across - across // 2))


def _larger(image: Image.Image) -> Image.Image:
    """Seen from nearer: the margins cut off, the rest enlarged to the size of the whole."""
    across, down = round(image.width * CROP), round(image.height * CROP)
    box = (across, down, max(across + 1, image.width - across), max(down + 1, image.height - down))
    return image.crop(box).resize(image.size, Image.Resampling.LANCZOS)


def _recoloured(image: Image.Image) -> Image.Image:
    """Red, green and blue in each other's place, green weakened, so that grey too gets a colour."""
    red, green, blue = image.split()
    return Image.merge("RGB", (blue, green.point(lambda value: value * 0.55), red))


def _padded(image: Image.Image, rows: tuple[int, int], columns: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.pad(np.asarray(image), (rows, columns, (0, 0)), mode="edge"))


_TAKE: dict[Augmentation, Callable[[Image.Image], Image.Image]] = {
    "shifted": _shifted,
    "smaller": _smaller,
    "larger": _larger,
    "dimmer": lambda image: ImageEnhance.Brightness(image).enhance(DIMMER),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(DARKER),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(BRIGHTER),
    "recoloured": _recoloured,
    "mirrored": ImageOps.mirror,
}
