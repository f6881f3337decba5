"""Decodes images: bitmap formats alone, within a budget of memory, and none whose header claims too many pixels.

Left out: archives, videos, all but the first frame of animations and multi-page files, colour profiles.
"""

from __future__ import annotations

import ctypes
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, _imaging

from visplay.errors import ImageError, one_line, visible
from visplay.images.budget import decoding_budget
from visplay.images.files import read_regular

# Formats that may be decoded. Pillow's others, such as PostScript, which runs a program, are never used.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF")
MOST_PIXELS = 89_478_485  # Pillow's own limit, above which it warns
MAX_ASPECT = 200  # image processors refuse larger ratios of the sides
_BYTES_PER_PIXEL = 16  # most that a decoder and `upright_rgb` hold at a time; measured in tests/faults/test_images.py
_BLOCK = 2**20  # pixels that are converted at a time

# Pillow warns of odd metadata, which do not matter, and of many pixels, which are refused here. What it logs would be
# printed where nobody set logging up.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


class Content(NamedTuple):
    """What an image's file holds: its size, bytes, and its hash, BLAKE2b of 16 bytes as hexadecimal digits."""

    size: int
    hash: str

    @classmethod
    def of(cls, encoded: bytes) -> Content:
        return cls(len(encoded), blake2b(encoded, digest_size=16).hexdigest())


def read(data: Path | bytes) -> bytes:
    """The encoded bytes of an image; ImageError with the reason, in one line without the path, if there are none."""
    if isinstance(data, bytes):
        return data
    return read_regular(data)


def decode(encoded: bytes) -> Image.Image:
    """An image as `upright_rgb`; ImageError with the reason if it cannot be decoded."""
    with _opened(encoded) as raw:
        return upright_rgb(raw)


def examine(data: Path | bytes) -> Content:
    """The content of an image that `decode` and image processors can use; ImageError with the reason otherwise."""
    encoded = read(data)
    with _opened(encoded) as image:
        width, height = image.size
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise ImageError(f"{width} x {height} pixels: one side is more than {MAX_ASPECT} times the other")
        # The JPEG decoder then reads every byte but computes an eighth of the resolution.
        image.draft(None, (32, 32))
        upright_rgb(image)
    return Content.of(encoded)


@contextmanager
def _opened(encoded: bytes) -> Iterator[Image.Image]:
    """Context manager: the image of which only the header was read, with the memory to decode it."""
    _silence_libtiff()
    if not encoded:
        raise ImageError("empty file")
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            width, height = image.size
            if not width or not height:
                raise ImageError(f"no pixels: {width} x {height}")
            if width * height > MOST_PIXELS:
                raise ImageError(f"{width} x {height}, more than {MOST_PIXELS} pixels")
            with decoding_budget().hold(len(encoded) + _BYTES_PER_PIXEL * width * height):
                yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image, or of a format that cannot be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"more than {MOST_PIXELS} pixels") from None
    # Decoders raise many classes for broken files: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise ImageError(f"cannot be decoded: {visible(one_line(error))}") from None


def upright_rgb(image: Image.Image) -> Image.Image:
    """A decoded image of any mode as 8-bit RGB: EXIF rotation applied, to `image` itself; transparency over white."""
    ImageOps.exif_transpose(image, in_place=True)  # which copies nothing where there is no rotation
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    found = Image.new("RGB", image.size)
    for top, block in _blocks(image):
        overlaid = Image.alpha_composite(Image.new("RGBA", block.size, "white"), block.convert("RGBA"))
        found.paste(overlaid.convert("RGB"), (0, top))
    return found


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey is divided by 257; other types are scaled to their finite range. Pillow would clip at 255."""
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else _finite_range(image)
    found = Image.new("L", image.size)
    for top, block in _blocks(image):
        grey = np.asarray(block).astype(np.float64)
        share = (np.nan_to_num(grey, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
        found.paste(Image.fromarray(np.rint(share * 255).astype(np.uint8)), (0, top))
    return found


def _finite_range(image: Image.Image) -> tuple[float, float]:
    """The smallest and the largest finite value; 0 and 0 without one."""
    grey = (np.asarray(block) for _, block in _blocks(image))
    ranges = [(float(one.min()), float(one.max())) for values in grey if (one := values[np.isfinite(values)]).size]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else (0.0, 0.0)


def _blocks(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Copies of a few of the image's rows at a time, after the place of the first, so that no second image is held."""
    rows = max(1, _BLOCK // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing what Pillow raises as an error anyway; once, as it holds for the process."""
    with suppress(OSError, AttributeError):  # a Pillow that is linked in another way prints a line
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
