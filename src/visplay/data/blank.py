"""Images that show nothing, to ask what a model answers without looking.

Not every family takes a prompt without an image, and one that does was rarely trained on it. So an image of one grey
and of the same size stands there: the prompt keeps its form and length, and only what could be seen is gone.
"""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image

from visplay.types import ImageList, ImageRef

GREY = (128, 128, 128)


def blank_like(image: ImageRef) -> ImageRef:
    """A grey image of the same size, an album of them for an album; those of one size are equal.

    Raises:
        OSError: the image cannot be read.
    """
    return ImageList.of([_blank(*part.load().size) for part in image.parts])


@lru_cache(maxsize=256)
def _blank(width: int, height: int) -> ImageRef:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), GREY).save(buffer, "PNG")
    return ImageRef(f"blank/{width}x{height}", buffer.getvalue())
