"""Views: cheap to name, true to the picture, the same size."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from visplay.images.views import DARKER, DIMMER, viewed
from visplay.records import Picture, View

VIEWS: tuple[View, ...] = get_args(View)


def picture(width: int = 40, height: int = 30) -> Picture:
    """A red block on a grey ground whose left and top border are of another colour."""
    pixels = np.full((height, width, 3), 200, dtype=np.uint8)
    pixels[:, 0] = pixels[0, :] = (0, 0, 250)
    pixels[10:20, 12:24] = (250, 0, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return Picture("one", buffer.getvalue())


def test_plain_is_the_picture_itself() -> None:
    one = picture()
    assert viewed(one, "plain") is one


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [(40, 30), (1, 1), (3, 500)])
def test_a_view_keeps_mode_and_size(view: View, size: tuple[int, int]) -> None:
    image = viewed(Picture("p", _png(Image.new("RGBA", size, (10, 200, 30, 255)))), view).load()
    assert image.mode == "RGB" and image.size == size


def test_views_of_a_picture_are_pictures_of_their_own() -> None:
    seen = [viewed(picture(), view) for view in VIEWS]
    assert len({one.id for one in seen}) == len(seen) == len(set(seen))
    assert viewed(picture(), "darker") == viewed(picture(), "darker")


def test_shifted_moves_right_and_down_and_continues_the_border() -> None:
    plain, shifted = pixels("plain"), pixels("shifted")
    assert np.array_equal(shifted[2:, 2:], plain[:-2, :-2])
    assert (shifted[:2] == (0, 0, 250)).all() and (shifted[:, :2] == (0, 0, 250)).all()


def test_smaller_shrinks_what_is_seen_around_the_centre() -> None:
    def red(image: np.ndarray) -> np.ndarray:
        return (image[..., 0] > 225) & (image[..., 1] < 90)

    plain, smaller = pixels("plain"), pixels("smaller")
    assert 0.6 * red(plain).sum() < red(smaller).sum() < 0.85 * red(plain).sum()
    assert np.allclose(np.argwhere(red(smaller)).mean(axis=0), (14.6, 17.9), atol=0.6)


@pytest.mark.parametrize(("view", "share"), [("dimmer", DIMMER), ("darker", DARKER)])
def test_dark_views_scale_brightness(view: View, share: float) -> None:
    assert np.abs(pixels(view) - pixels("plain") * share).max() <= 1


def pixels(view: View) -> np.ndarray:
    return np.asarray(viewed(picture(), view).load()).astype(float)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
