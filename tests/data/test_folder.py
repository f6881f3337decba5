"""Folders as people have them: every kind of photo, and every kind of broken one."""

from __future__ import annotations

import io
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visplay.data.sources.folder import FolderSource, folder
from visplay.errors import ImageError
from visplay.types import ImageRef


@pytest.fixture
def photo() -> Image.Image:
    """96 x 64 RGB noise with a red top left corner."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    pixels[:32, :32] = (200, 20, 20)
    return Image.fromarray(pixels)


def reasons(path: Path) -> dict[str, str]:
    return {skipped.path: skipped.reason for skipped in folder(path).skipped}


MODES = {
    "jpg": ("RGB", "L", "1", "CMYK"),
    "JPEG": ("RGB",),
    "png": ("RGB", "L", "1", "P", "LA", "RGBA", "I;16"),
    "webp": ("RGB", "L", "P", "RGBA"),
    "bmp": ("RGB", "L", "1", "P"),
    "gif": ("RGB", "L", "1", "P", "RGBA"),
    "tif": ("RGB", "L", "1", "P", "LA", "RGBA", "CMYK", "I;16"),
    "tiff": ("RGB",),
}


@pytest.mark.parametrize("suffix, mode", [(suffix, mode) for suffix, modes in MODES.items() for mode in modes])
def test_every_format_and_mode_is_read(tmp_path: Path, photo: Image.Image, suffix: str, mode: str) -> None:
    sixteen_bit = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    (sixteen_bit if mode == "I;16" else photo.convert(mode)).save(tmp_path / f"photo.{suffix}")
    catalogue = folder(tmp_path)
    assert catalogue.skipped == ()
    loaded = catalogue.images[0].load()
    assert (loaded.mode, loaded.size) == ("RGB", (96, 64))
    # Any way of storing it leaves the corner darker than the noise and the noise noisy.
    grey = np.asarray(loaded.convert("L")).astype(float)
    assert grey[2:30, 2:30].mean() < 110 < grey[36:, 36:].mean()
    assert grey[36:, 36:].std() > 10


def test_order_and_ids_are_those_of_the_relative_paths(tmp_path: Path, photo: Image.Image) -> None:
    for name in ("b/2.png", "b/10.png", "a.PNG", "b/deep/er/x.png", "Z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        photo.save(tmp_path / name)
    ids = [image.id for image in folder(tmp_path).images]
    assert ids == ["Z.png", "a.PNG", "b/10.png", "b/2.png", "b/deep/er/x.png"]
    assert all(image.data == tmp_path / image.id for image in folder(tmp_path).images)


def test_hidden_files_and_files_of_other_kinds_are_ignored(tmp_path: Path, photo: Image.Image) -> None:
    (tmp_path / ".cache").mkdir()
    for name in ("seen.png", ".hidden.png", ".cache/thumbnail.png"):
        photo.save(tmp_path / name)
    (tmp_path / "labels.csv").write_text("seen.png,red")
    catalogue = folder(tmp_path)
    assert [image.id for image in catalogue.images] == ["seen.png"]
    assert catalogue.skipped == ()


def test_exif_rotation_is_applied(tmp_path: Path, photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn clockwise to augmentation
    photo.save(tmp_path / "upright.jpg", exif=exif, quality=95)
    loaded = folder(tmp_path).images[0].load()
    assert loaded.size == (64, 96)
    red, green, blue = loaded.getpixel((50, 10))  # type: ignore[misc]
    assert red > 150 > 100 > max(green, blue)


def test_what_cannot_be_read_is_skipped_and_named(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "good.png")
    photo.save(tmp_path / "good.jpg", progressive=True)
    for whole in ("good.png", "good.jpg"):
        content = (tmp_path / whole).read_bytes()
        (tmp_path / f"truncated-{whole}").write_bytes(content[: len(content) // 2])
        (tmp_path / f"nearly-{whole}").write_bytes(content[: len(content) * 9 // 10])
        (tmp_path / f"header-{whole}").write_bytes(content[:20])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("<html>not found</html>")
    (tmp_path / "postscript.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    Image.new("RGB", (402, 2)).save(tmp_path / "strip.png")
    Image.new("RGB", (400, 2)).save(tmp_path / "long.png")
    catalogue = folder(tmp_path)
    assert [image.id for image in catalogue.images] == ["good.jpg", "good.png", "long.png"]
    said = reasons(tmp_path)
    assert list(said) == sorted(said)
    assert said.keys() == {
        *(f"{damage}-{whole}" for damage in ("truncated", "nearly", "header") for whole in ("good.png", "good.jpg")),
        *("empty.jpg", "text.jpg", "postscript.jpg", "phone.heic", "gone.png", "pipe.png", "strip.png"),
    }
    assert said["empty.jpg"] == "empty file"
    assert said["gone.png"] == "broken link"
    assert said["pipe.png"] == "not a regular file"
    assert said["text.jpg"].startswith("not an image")
    assert "402 x 2" in said["strip.png"]
    assert all(reason and "\n" not in reason and str(tmp_path) not in reason for reason in said.values())


def test_a_decompression_bomb_is_not_decoded(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "good.png")
    for name, side in (("large.bmp", 12_000), ("huge.bmp", 60_000)):
        header = struct.pack("<2sIHHI", b"BM", 58, 0, 0, 54) + struct.pack(
            "<IiiHHIIiiII", 40, side, side, 1, 24, *[0] * 6
        )
        (tmp_path / name).write_bytes(header + b"\0" * 4)
    said = reasons(tmp_path)
    assert said.keys() == {"large.bmp", "huge.bmp"}
    assert all("pixels" in reason for reason in said.values())


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_an_image_without_pixels_is_skipped(tmp_path: Path, photo: Image.Image, size: tuple[int, int]) -> None:
    photo.save(tmp_path / "good.png")
    header = struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, *size, 1, 24, *[0] * 6)
    (tmp_path / "none.bmp").write_bytes(header)
    assert reasons(tmp_path).keys() == {"none.bmp"}


def test_links_are_followed_once(tmp_path: Path, photo: Image.Image) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "sub").mkdir(parents=True)
    outside.mkdir()
    photo.save(inside / "sub" / "a.png")
    photo.save(outside / "b.png")
    (inside / "sub" / "up").symlink_to(inside)
    (inside / "elsewhere").symlink_to(outside)
    (inside / "twice").symlink_to(outside)
    (inside / "self").symlink_to(inside / "self")
    assert [image.id for image in folder(inside).images] == ["elsewhere/b.png", "sub/a.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(tmp_path: Path, photo: Image.Image) -> None:
    (tmp_path / "closed").mkdir()
    for name in ("good.png", "secret.png", "closed/c.png"):
        photo.save(tmp_path / name)
    (tmp_path / "secret.png").chmod(0)
    (tmp_path / "closed").chmod(0)
    try:
        assert reasons(tmp_path).keys() == {"closed", "secret.png"}
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_name_that_is_not_utf8_gets_an_id_that_is(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "a.png")
    try:
        shutil.move(tmp_path / "a.png", os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    image = folder(tmp_path).images[0]
    assert image.id.encode() == rb"caf\xe9.png"
    assert image.load().size == (96, 64)


def test_two_names_that_look_alike_when_escaped_have_two_ids(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / r"\xff\xfe.png")
    try:
        photo.save(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png"), "PNG")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    ids = [image.id for image in folder(tmp_path).images]
    assert ids[0] == r"\xff\xfe.png" and ids[1].startswith(ids[0] + "#") and len(ids) == 2


def test_a_link_to_a_folder_elsewhere_is_named_and_one_to_the_system_is_not_followed(
    tmp_path: Path, photo: Image.Image
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for place in (inside, outside):
        place.mkdir()
        photo.save(place / "a.png")
    for name, target in {"more": outside, "root": "/", "usr": "/usr", "proc": "/proc/self", "above": tmp_path}.items():
        (inside / name).symlink_to(target)
    catalogue = folder(inside)
    assert [image.id for image in catalogue.images] == ["a.png", "more/a.png"]
    assert catalogue.linked == (f"more -> {outside}",)
    assert [one.path for one in catalogue.skipped] == ["above", "proc", "root", "usr"]
    assert all("not followed" in one.reason for one in catalogue.skipped)


def test_unusable_sources_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.jpg").touch()
    (tmp_path / "file.png").touch()
    for name, expected in {
        "missing": "no folder",
        "empty": "no images",
        "broken": "x.jpg: empty file",
        "file.png": "is a file",
    }.items():
        with pytest.raises(ImageError, match=expected) as raised:
            FolderSource(path=tmp_path / name).open(seed=0)
        assert "\n" not in str(raised.value) and str(tmp_path / name) in str(raised.value)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_sixteen_bit_grey_keeps_its_shades(tmp_path: Path, dtype: str) -> None:
    shades = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    Image.fromarray(shades.astype(dtype)).save(tmp_path / "x.tiff")
    loaded = np.asarray(ImageRef("x", tmp_path / "x.tiff").load())
    assert np.array_equal(loaded, np.repeat(np.arange(256).reshape(16, 16, 1), 3, axis=2))


def test_float_grey_spans_black_to_white(tmp_path: Path) -> None:
    shades = np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)
    shades[0, 1] = np.nan
    Image.fromarray(shades).save(tmp_path / "x.tiff")
    loaded = np.asarray(ImageRef("x", tmp_path / "x.tiff").load())[..., 0]
    assert (loaded[0, 0], loaded[0, 1], loaded[-1, -1]) == (0, 0, 255)
    assert np.all(np.diff(loaded.ravel()[2:].astype(int)) >= 0)


def test_transparency_is_laid_over_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    for mode in ("RGBA", "P"):
        buffer = io.BytesIO()
        image.convert(mode).save(buffer, "PNG")
        loaded = ImageRef("x", buffer.getvalue()).load()
        assert [loaded.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (10, 20, 30)]
