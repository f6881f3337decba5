"""Pictures that show nothing, to ask what a model answers without looking.

Not every family takes a prompt without a picture, and one that does was rarely trained on it. So a picture of one grey
and of the same size stands there: the prompt keeps its form and length, and only what could be seen is gone.
"""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image

from visplay.records import Album, Picture

GREY = (128, 128, 128)


def blank_like(picture: Picture) -> Picture:
    """A grey picture of the same size, an album of them for an album; those of one size are equal.

    Raises:
        OSError: the picture cannot be read.
    """
    return Album.of([_blank(*part.load().size) for part in picture.parts])


@lru_cache(maxsize=256)
def _blank(width: int, height: int) -> Picture:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), GREY).save(buffer, "PNG")
    return Picture(f"blank/{width}x{height}", buffer.getvalue())
