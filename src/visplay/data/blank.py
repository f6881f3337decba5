"""Blank images, to measure what a model answers without seeing the image.

Some model families need an image in every prompt, and others were rarely trained without one. A grey image of the same
size therefore replaces the image, so that the prompt keeps its format and length.
"""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image

from visplay.types import ImageList, ImageRef

GREY = (128, 128, 128)


def blank_like(image: ImageRef) -> ImageRef:
    """A grey image of the same size, or an album of grey images for an album. Blanks of one size are equal.

    Raises:
        OSError: the image cannot be read.
    """
    return ImageList.of([_blank(*part.load().size) for part in image.parts])


@lru_cache(maxsize=256)
def _blank(width: int, height: int) -> ImageRef:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), GREY).save(buffer, "PNG")
    return ImageRef(f"blank/{width}x{height}", buffer.getvalue())
