"""Every image is decoded as before, and nothing that is no bitmap, or too large, is decoded at all."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from visplay.errors import ImageError, UnreadableImage
from visplay.images import decode as module
from visplay.images.decode import Content, decode, examine
from visplay.types import ImageRef


def plainly(encoded: bytes) -> Image.Image:
    """The same in the most direct way, with copies of the whole image."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image).astype(np.float64)
        finite = grey[np.isfinite(grey)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
        if image.mode.startswith("I;16"):
            low, high = 0.0, 65535.0
        share = (np.nan_to_num(grey, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
        image = Image.fromarray(np.rint(share * 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(mode: str) -> Image.Image:
    random = np.random.default_rng(0)
    if mode == "I;16":
        return Image.fromarray(random.integers(0, 2**16, (61, 97), dtype=np.uint16))
    if mode == "I":
        return Image.fromarray(random.integers(-(2**31), 2**31, (61, 97), dtype=np.int32))
    if mode == "F":
        values = random.normal(size=(61, 97)).astype(np.float32) * 1e30
        values[0, :3] = np.nan, np.inf, -np.inf
        return Image.fromarray(values)
    return Image.fromarray(random.integers(0, 256, (61, 97, 4), dtype=np.uint8)).convert(mode)


IMAGES = {
    **{f"{mode} png": encoded(noise(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    **{f"{mode} tif": encoded(noise(mode), "TIFF") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F")},
    **{f"{mode} jpg": encoded(noise(mode), "JPEG") for mode in ("L", "RGB", "CMYK")},
    "webp": encoded(noise("RGBA"), "WEBP"),
    "gif": encoded(noise("P"), "GIF", transparency=3),
    "palette": encoded(noise("P"), "PNG", transparency=bytes(range(256))),
    "color": encoded(noise("RGB"), "PNG", transparency=noise("RGB").getpixel((5, 5))),
}
for _turn in range(1, 9):
    _exif = Image.Exif()
    _exif[0x0112] = _turn
    IMAGES[f"turned {_turn}"] = encoded(noise("RGB"), "JPEG", exif=_exif)


@pytest.mark.parametrize("block", [97 * 7, 2**20])
@pytest.mark.parametrize("name", IMAGES)
def test_blocks_change_no_bit(monkeypatch: pytest.MonkeyPatch, name: str, block: int) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    found, expected = decode(IMAGES[name]), plainly(IMAGES[name])
    assert found.mode == "RGB" and found.size == expected.size
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", ["EPS", "PPM", "ICO", "TGA", "PDF", "PCX"])
def test_other_formats_are_not_opened(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(ImageError, match="not an image, or of a format"):
        decode(encoded(noise("RGB"), kind))


def test_a_bomb_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PIXELS", 97 * 61 - 1)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    monkeypatch.setattr(module, "upright_rgb", lambda _: pytest.fail("it was decoded"))
    for use in (decode, examine):
        with pytest.raises(ImageError, match="97 x 61, more than 5916 pixels"):
            use(IMAGES["RGB png"])


def test_an_image_holds_its_part_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = module.decoding_budget()
    held: list[int] = []
    real = module.upright_rgb

    def upright(image: Image.Image) -> Image.Image:
        held.append(budget._held)
        return real(image)

    monkeypatch.setattr(module, "upright_rgb", upright)
    decode(IMAGES["RGB png"])
    assert held == [len(IMAGES["RGB png"]) + 16 * 97 * 61] and budget._held == 0
    with pytest.raises(ImageError):
        decode(IMAGES["RGB png"][:500])
    assert budget._held == 0


def test_changed_contents_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(IMAGES["RGB png"])
    image = ImageRef("a\x1b.png", file, content=examine(file))
    assert image.content == Content.of(IMAGES["RGB png"])
    assert image.load().size == (97, 61)
    file.write_bytes(IMAGES["L png"])
    with pytest.raises(UnreadableImage, match=r"a\\x1b.png: its contents changed") as caught:
        image.load()
    assert caught.value.image == image.id
    assert ImageRef("a", file).load().size == (97, 61)


DAMAGED = """
import sys
from visplay.errors import ImageError
from visplay.images.decode import decode
from tests.images.test_decode import encoded, noise
for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits", "group4"):
    whole = encoded(noise("1" if kind == "group4" else "RGB"), "TIFF", compression=kind)
    for place in range(8, len(whole), max(1, len(whole) // 60)):
        broken = bytearray(whole)
        broken[place] ^= 255
        try:
            decode(bytes(broken))
        except ImageError:
            pass
"""


def test_decoders_write_nothing_to_the_terminal() -> None:
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": f"{root / 'src'}:{root}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", DAMAGED], capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
