"""Augmentations: versions of an image with the same content and a slightly different appearance; and blank images.

Augmentations change the answers of some questions: `mirrored` swaps left and right, `recoloured` changes colours,
`shifted` and `larger` cut a margin off, and three change the brightness.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from visplay.types import Augmentation, ImageList, ImageRef

SHIFT = 0.06  # of width and height
SHRINK = 0.85
CROP = 0.06  # of width and height, on each side
DIMMER, DARKER, BRIGHTER = 0.8, 0.6, 1.15  # of the brightness
GREY = (128, 128, 128)

# Words of questions about sides, positions, clocks or text, which a mirror changes.
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
# What a thing looks like does not change if the margin is cut off. All else may: a count, what there is, what is read.
_LOOKS = re.compile(r"\b(?:colou?rs?|shape|material|texture|pattern|breed|species|made of)\b")
_WHOLE = re.compile(
    r"\b(?:how (?:many|much)|count\w*|numbers?|total|sum|all|every\w*|each|both|none|no|any\w*|only|other|others|else|"
    r"there|most|least|more|less|fewer|mainly|majority|\w+est|common|dominant|first|last|next|corner\w*|edge\w*|border\w*|"
    r"margins?|frame\w*|end|ends|outer\w*|background|foreground|behind|around|near\w*|close\w*|far\w*|top\w*|bottom\w*|"
    r"upper|lower|image|picture|photo\w*|scene|(?:black|white)\s*(?:and|&)\s*white|which|colou?rs|shapes|"
    r"left\w*|right\w*|side|sides|middle|cent(?:er|re)\w*|half|position\w*|where|written|writ\w*|text\w*|words?|"
    r"letters?|titles?|labels?|legend|axis|axes|bars?|lines?|charts?|graphs?|plots?|tables?|maps?)\b"
)
_LIT = re.compile(
    r"\b(?:\w*light\w*|\w*lit|bright\w*|dark\w*|dim\w*|shad(?:e|es|ed|ow\w*)|shiny|shin(?:e|es|ing)|glow\w*|"
    r"glar\w*|gleam\w*|illuminat\w*|lamps?|lanterns?|bulbs?|candles?|flash\w*|neon|beams?|sun\w*|moon\w*|star|stars|"
    r"starry|day|daytime|night\w*|evening|morning|noon|midday|dusk|dawn|twilight|time of (?:the )?day|"
    r"cloud\w*|overcast|weather|fog\w*|gloom\w*|expos\w*|contrast\w*|luminance|visibility|vivid|faint|pale\w*|faded|"
    r"on or off|off or on|(?:turned|switched) o(?:n|ff))\b"
)
# The words above are English; a question in another script is in doubt.
_OTHER_SCRIPT = re.compile(r"[^\W\d_\u0000-\u03ff]")
_CROPS, _BRIGHTNESS = ("shifted", "larger"), ("dimmer", "darker", "brighter")


@dataclass(frozen=True, slots=True)
class AugmentedImage(ImageRef):
    """An image that `load` decodes with an augmentation."""

    augmentation: Augmentation

    def load(self) -> Image.Image:
        """The decoded image, see `ImageRef.load`, with the augmentation."""
        return _AUGMENT[self.augmentation](ImageRef.load(self))


def augmented(image: ImageRef, augmentation: Augmentation) -> ImageRef:
    """The image itself for "plain", else an image with the id `<id>~<augmentation>`; does not decode the image.

    A made image is itself too: its question is about how it was made.
    """
    if augmentation == "plain" or image.made:
        return image
    return _with_parts(image, [_augmented(part, augmentation) for part in image.parts])


def _augmented(image: ImageRef, augmentation: Augmentation) -> ImageRef:
    return AugmentedImage(f"{image.id}~{augmentation}", image.data, augmentation, content=image.content)


def blank_like(image: ImageRef) -> ImageRef:
    """A grey image of the same size, or an album of grey images for an album; blanks of one size are equal.

    It measures what a model answers without seeing the image. Some families need an image in every prompt, and others
    were rarely trained without one, so the prompt keeps its format and length.

    Raises:
        UnreadableImage: the image cannot be read.
    """
    return _with_parts(image, [_blank(*part.load().size) for part in image.parts])


def _with_parts(image: ImageRef, parts: list[ImageRef]) -> ImageRef:
    return ImageList.of(parts, image.text if isinstance(image, ImageList) else "")


@lru_cache(maxsize=256)
def _blank(width: int, height: int) -> ImageRef:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), GREY).save(buffer, "PNG")
    return ImageRef(f"blank/{width}x{height}", buffer.getvalue())


def preserves_answer(augmentation: Augmentation, question: str) -> bool:
    """Whether an augmentation keeps the answer to a question, judged by the question's words; False if in doubt."""
    words = question.lower()
    if augmentation not in ("plain", "smaller") and _OTHER_SCRIPT.search(words):
        return False
    if augmentation == "mirrored":
        return _SIDED.search(words) is None
    if augmentation == "recoloured":
        return _COLOURED.search(words) is None
    if augmentation in _CROPS:
        return _LOOKS.search(words) is not None and _WHOLE.search(words) is None
    return augmentation not in _BRIGHTNESS or _LIT.search(words) is None


def preserves_record(augmentation: Augmentation) -> bool:
    """Whether an augmentation keeps a record of the image true: names, colours, places in tenths, and sizes.

    Only a change of the brightness does. `smaller` moves what is near a margin by most of a tenth.
    """
    return augmentation in ("plain", *_BRIGHTNESS)


def for_records(augmentations: Sequence[Augmentation]) -> list[Augmentation]:
    """The distinct augmentations that records are made on; "plain" replaces what would make them false."""
    return list(dict.fromkeys(each if preserves_record(each) else "plain" for each in augmentations))


def _shifted(image: Image.Image) -> Image.Image:
    """Shifted to the right and down; edge pixels fill the gap."""
    down, right = round(image.height * SHIFT), round(image.width * SHIFT)
    return _padded(image, (down, 0), (right, 0)).crop((0, 0, image.width, image.height))


def _smaller(image: Image.Image) -> Image.Image:
    """Scaled down; edge pixels fill the margin."""
    width, height = max(1, round(image.width * SHRINK)), max(1, round(image.height * SHRINK))
    across, along = image.width - width, image.height - height
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    return _padded(small, (along // 2, along - along // 2), (across // 2, across - across // 2))


def _larger(image: Image.Image) -> Image.Image:
    """Cropped on each side and scaled up to the original size."""
    across, down = round(image.width * CROP), round(image.height * CROP)
    box = (across, down, max(across + 1, image.width - across), max(down + 1, image.height - down))
    return image.crop(box).resize(image.size, Image.Resampling.LANCZOS)


def _recoloured(image: Image.Image) -> Image.Image:
    """Red and blue swapped, green weakened, so that grey gets a colour too."""
    red, green, blue = image.split()
    return Image.merge("RGB", (blue, green.point(lambda value: value * 0.55), red))


def _padded(image: Image.Image, rows: tuple[int, int], columns: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.pad(np.asarray(image), (rows, columns, (0, 0)), mode="edge"))


_AUGMENT: dict[Augmentation, Callable[[Image.Image], Image.Image]] = {
    "shifted": _shifted,
    "smaller": _smaller,
    "larger": _larger,
    "dimmer": lambda image: ImageEnhance.Brightness(image).enhance(DIMMER),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(DARKER),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(BRIGHTER),
    "recoloured": _recoloured,
    "mirrored": ImageOps.mirror,
}
