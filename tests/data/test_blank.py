"""Blank images: of the size of what they stand for, and nothing on them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from visplay.data.blank import blank_like
from visplay.types import ImageList, ImageRef


def image(name: str, width: int, height: int, turned: bool = False) -> ImageRef:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6 if turned else 1
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return ImageRef(name, buffer.getvalue())


def test_a_blank_image_has_the_size_that_is_seen_and_one_colour() -> None:
    for shown, size in ((image("a", 40, 30), (40, 30)), (image("b", 40, 30, turned=True), (30, 40))):
        blank = blank_like(shown).load()
        assert blank.size == shown.load().size == size
        assert len(blank.getcolors() or ()) == 1


def test_blanks_of_one_size_are_one_image_and_albums_keep_their_number() -> None:
    small, other, large = image("a", 40, 30), image("b", 40, 30), image("c", 41, 30)
    assert blank_like(small) == blank_like(other) != blank_like(large)
    album = blank_like(ImageList.of([small, large]))
    assert [part.load().size for part in album.parts] == [(40, 30), (41, 30)]
