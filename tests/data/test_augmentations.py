"""Augmentations: cheap to name, true to the image, the same size. Blank images: of the same size, without content."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from visplay.data.augmentations import (
    BRIGHTER,
    DARKER,
    DIMMER,
    augmented,
    blank_like,
    preserves_answer,
    preserves_record,
)
from visplay.types import Augmentation, ImageList, ImageRef

VIEWS: tuple[Augmentation, ...] = get_args(Augmentation)


def image(width: int = 40, height: int = 30) -> ImageRef:
    """A red block on a grey ground whose left and top border are of another colour."""
    pixels = np.full((height, width, 3), 200, dtype=np.uint8)
    pixels[:, 0] = pixels[0, :] = (0, 0, 250)
    pixels[10:20, 12:24] = (250, 0, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return ImageRef("one", buffer.getvalue())


def test_plain_is_the_image_itself() -> None:
    one = image()
    assert augmented(one, "plain") is one


@pytest.mark.parametrize("augmentation", VIEWS)
@pytest.mark.parametrize("size", [(40, 30), (1, 1), (3, 500)])
def test_a_view_keeps_mode_and_size(augmentation: Augmentation, size: tuple[int, int]) -> None:
    image = augmented(ImageRef("p", _png(Image.new("RGBA", size, (10, 200, 30, 255)))), augmentation).load()
    assert image.mode == "RGB" and image.size == size


@pytest.mark.parametrize("augmentation", VIEWS)
def test_a_record_stays_true_where_colours_and_places_stay(augmentation: Augmentation) -> None:
    """A red block near the corner is found by its colour, and is where it was."""
    pixels = np.full((200, 200, 3), 120, dtype=np.uint8)
    pixels[20:40, 10:30] = (200, 0, 0)
    seen = np.asarray(augmented(ImageRef("p", _png(Image.fromarray(pixels))), augmentation).load()).astype(int)
    rows, columns = np.nonzero((seen[..., 0] > 80) & (seen[..., 1] < 40) & (seen[..., 2] < 40))
    box = [int(edge) for found in (rows, columns) for edge in (found.min(), found.max())] if rows.size else []
    assert preserves_record(augmentation) == (box == [20, 39, 10, 29])


def test_views_of_a_image_are_images_of_their_own() -> None:
    seen = [augmented(image(), augmentation) for augmentation in VIEWS]
    assert len({one.id for one in seen}) == len(seen) == len(set(seen))
    assert augmented(image(), "darker") == augmented(image(), "darker")


def test_shifted_moves_right_and_down_and_continues_the_border() -> None:
    plain, shifted = pixels("plain"), pixels("shifted")
    assert np.array_equal(shifted[2:, 2:], plain[:-2, :-2])
    assert (shifted[:2] == (0, 0, 250)).all() and (shifted[:, :2] == (0, 0, 250)).all()


def test_smaller_shrinks_what_is_seen_around_the_centre() -> None:
    plain, smaller = pixels("plain"), pixels("smaller")
    assert 0.6 * red(plain).sum() < red(smaller).sum() < 0.85 * red(plain).sum()
    assert np.allclose(np.argwhere(red(smaller)).mean(axis=0), (14.6, 17.9), atol=0.6)


def test_larger_cuts_the_margins_off_and_enlarges_the_rest() -> None:
    plain, larger = pixels("plain"), pixels("larger")
    assert 1.1 * red(plain).sum() < red(larger).sum() < 1.5 * red(plain).sum()
    assert not (larger == (0, 0, 250)).all(axis=-1).any(), "the border is gone"


@pytest.mark.parametrize(("augmentation", "share"), [("dimmer", DIMMER), ("darker", DARKER), ("brighter", BRIGHTER)])
def test_brightness_is_scaled_up_to_white(augmentation: Augmentation, share: float) -> None:
    assert np.abs(pixels(augmentation) - np.minimum(pixels("plain") * share, 255)).max() <= 1


def test_recoloured_leaves_no_colour_as_it_was_and_none_like_another() -> None:
    plain, recoloured = pixels("plain"), pixels("recoloured")
    before, after = (np.unique(image.reshape(-1, 3), axis=0) for image in (plain, recoloured))
    assert len(after) == len(before) == 3
    assert (np.abs(recoloured - plain).max(axis=-1) > 60).all(), "grey is no longer grey either"


def test_mirrored_twice_is_the_image() -> None:
    once = augmented(image(), "mirrored").load()
    assert np.array_equal(np.asarray(once), pixels("plain")[:, ::-1])
    twice = augmented(ImageRef("twice", _png(once)), "mirrored").load()
    assert np.array_equal(np.asarray(twice), pixels("plain"))


SIDED = [
    "Is the dog LEFT of the cat?",
    "what is on the right-hand side?",
    "what color is the leftmost shape?",
    "which side of the road is the car on?",
    "where is the cat?",
    "which direction does the arrow point?",
    "what time does the clock show?",
    "what does the sign say?",
    "which letter is it?\nA. b\nB. d",
]
COLOURED = [
    "What COLOUR is the dog?",
    "how many red circles are there?",
    "are there more reds than greens?",
    "is the man's hair reddish?",
    "is the hat multicolored?",
    "what is it?\nA. a grey cat\nB. a dog",
    "do both have the same shade?",
]
LIT = [
    "Is it day or night?",
    "is the lamp on?",
    "How bright is the room?",
    "Is the scene well lit?",
    "which side is darker?",
    "is the sun shining?",
    "where does the shadow fall?",
    "what is the lighting like?",
    "is the shirt light blue or dark blue?",
    "what is the weather like?",
]
LOOKS = ["What color is the dog?", "what shape is the stone?", "what is the cloth made of?"]
MARGINAL = [
    "how many colors do you see?",
    "what is in the bottom right corner?",
    "what is the color of the frame's edge?",
    "is anyone wearing red?",
    "what color is the tallest bar?",
    "what color is every cup?",
    "is there a red car?",
    "what is the total?",
    "what color is the background?",
]
NEITHER = ["how many dogs are there?", "is there a circle?", "are there more cats than dogs?"]


def test_a_mirror_is_not_for_sides_and_writing() -> None:
    assert [text for text in SIDED if preserves_answer("mirrored", text)] == []
    assert all(preserves_answer("mirrored", text) for text in NEITHER)


def test_other_colours_are_not_for_colours() -> None:
    assert [text for text in COLOURED if preserves_answer("recoloured", text)] == []
    assert all(preserves_answer("recoloured", text) for text in NEITHER)


@pytest.mark.parametrize("augmentation", ["dimmer", "darker", "brighter"])
def test_other_brightness_is_not_for_light(augmentation: Augmentation) -> None:
    assert [text for text in LIT if preserves_answer(augmentation, text)] == []
    assert all(preserves_answer(augmentation, text) for text in (*SIDED, *NEITHER, *LOOKS, *MARGINAL))


@pytest.mark.parametrize("augmentation", ["shifted", "larger"])
def test_a_view_that_crops_is_for_the_looks_of_one_thing_alone(augmentation: Augmentation) -> None:
    assert all(preserves_answer(augmentation, text) for text in LOOKS)
    for text in (*SIDED, *NEITHER, *MARGINAL, "what is it?", ""):
        assert not preserves_answer(augmentation, text)


@pytest.mark.parametrize("augmentation", sorted({*VIEWS} - {"plain", "smaller"}))
def test_a_question_in_another_script_is_in_doubt(augmentation: Augmentation) -> None:
    assert not preserves_answer(augmentation, "灯是亮的吗？") and not preserves_answer(augmentation, "какого цвета?")


def test_smaller_is_for_every_question() -> None:
    assert all(preserves_answer("smaller", text) for text in (*SIDED, *COLOURED, *NEITHER, *LIT, *LOOKS, *MARGINAL))


def red(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] > 225) & (image[..., 1] < 90)


def pixels(augmentation: Augmentation) -> np.ndarray:
    return np.asarray(augmented(image(), augmentation).load()).astype(float)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def turnable(name: str, width: int, height: int, turned: bool = False) -> ImageRef:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6 if turned else 1
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return ImageRef(name, buffer.getvalue())


def test_a_blank_image_has_the_size_that_is_seen_and_one_colour() -> None:
    for shown, size in ((turnable("a", 40, 30), (40, 30)), (turnable("b", 40, 30, turned=True), (30, 40))):
        blank = blank_like(shown).load()
        assert blank.size == shown.load().size == size
        assert len(blank.getcolors() or ()) == 1


def test_blanks_of_one_size_are_one_image_and_albums_keep_their_number() -> None:
    small, other, large = turnable("a", 40, 30), turnable("b", 40, 30), turnable("c", 41, 30)
    assert blank_like(small) == blank_like(other) != blank_like(large)
    album = blank_like(ImageList.of([small, large]))
    assert [part.load().size for part in album.parts] == [(40, 30), (41, 30)]
