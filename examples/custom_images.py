r"""A source of images of your own: the frames of one animated image, as unlabeled images.

    visplay evolve --out runs/walk \
        --set 'images={type: custom, import_path: "examples.custom_images:Frames", file: walk.gif}'
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageSequence
from pydantic import Field

from visplay import ImageRef, ImageSource
from visplay.interfaces.image_source import Catalogue


class Frames(ImageSource):
    """Every frame of an animated image file."""

    file: Path = Field(description="an animated GIF, PNG or WebP file")

    def open(self, seed: int) -> Catalogue:
        with Image.open(self.file) as animation:
            frames = [_png(frame) for frame in ImageSequence.Iterator(animation)]
        return Catalogue(str(self), tuple(ImageRef(f"frame-{n:04}", frame) for n, frame in enumerate(frames)))

    def __str__(self) -> str:
        return self.file.name


def _png(frame: Image.Image) -> bytes:
    buffer = io.BytesIO()
    frame.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()
