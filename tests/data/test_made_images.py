"""Made images: named by an id that makes them again, sent between processes, refused in one line."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visplay.data.augmentations import augmented
from visplay.data.made_images import image_by_id, made
from visplay.distributed.messages import decode, encode
from visplay.errors import ConfigError, UnreadableImage
from visplay.images.decode import Content
from visplay.types import ImageRef


def png(color: str, size: tuple[int, int] = (64, 64)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


ANY_ID = st.text(st.characters(codec="utf-8") | st.sampled_from("~();,%+/\n"), max_size=12)


@given(
    ids=st.lists(ANY_ID, min_size=1, max_size=3, unique=True),
    numbers=st.lists(st.integers(0, 10**9 - 1), max_size=9),
    task=st.sampled_from(["rotation", "odd_one_out", "spot_the_edit"]),
)
def test_an_id_names_the_image(ids: list[str], numbers: list[int], task: str) -> None:
    images = {name: ImageRef(name, b"") for name in ids}
    image = made(task, numbers, list(images.values()))
    if image.id not in images:
        assert image_by_id(image.id, images) == image
    assert image.made and image.originals == tuple(images.values())


@given(ANY_ID)
def test_other_ids_are_unknown(name: str) -> None:
    with pytest.raises(KeyError):
        image_by_id(f"{name}?", {})
    with pytest.raises(KeyError):
        image_by_id(f"{name}~no_such_task(1)", {name: ImageRef(name, b"")})


def test_a_made_image_crosses_processes_and_looks_the_same_there() -> None:
    image = made("spot_the_edit", [2, 0, 10, 20], [ImageRef("a", png("red"), content=Content(1, "x"))])
    again = decode(encode([image]))[0]
    assert again == image and again.load().tobytes() == image.load().tobytes()


def test_a_made_image_has_no_augmentations() -> None:
    image = made("rotation", [1], [ImageRef("a", png("red"))])
    assert augmented(image, "mirrored") is image
    assert not ImageRef("a", b"").made and ImageRef("a", b"").originals == (ImageRef("a", b""),)


@pytest.mark.parametrize("numbers", [[], [9], [1, 2, 3, 4, 5, 6], [999_999_999] * 4])
@pytest.mark.parametrize(
    "task", ["rotation", "jigsaw", "spot_the_edit", "odd_one_out", "which_crop", "paste_and_count"]
)
def test_numbers_that_no_task_drew_end_in_one_line_or_an_image(task: str, numbers: list[int]) -> None:
    image = made(task, numbers, [ImageRef("a", png("red")), ImageRef("b", png("blue", (90, 70)))])
    try:
        assert image.load().size == (64, 64)
    except UnreadableImage as error:
        assert "\n" not in str(error) and task in str(error)


def test_an_original_that_vanished_or_changed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png("red"))
    original = ImageRef("a", file, content=Content.of(png("red")))
    assert made("rotation", [1], [original]).load().getpixel((0, 0)) == (255, 0, 0)
    with pytest.raises(UnreadableImage, match="its contents changed"):
        made("rotation", [1], [replace(original, content=Content.of(png("blue")))]).load()
    file.unlink()
    with pytest.raises(UnreadableImage, match="no such file"):
        made("rotation", [1], [original]).load()


def test_a_source_without_a_name_cannot_make_images() -> None:
    with pytest.raises(ConfigError, match=r"no task source 'custom' to make its images again; write `class Mine"):
        made("custom", [1], [ImageRef("a", b"")])
