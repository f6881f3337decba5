"""The image source `folder`: all images below a folder; each file is decoded once to find those that cannot be used.

Left out: archives, videos, all but the first frame of animations and multi-page files, colour profiles.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from pydantic import Field

from visplay.errors import ImageError
from visplay.interfaces.image_source import Catalogue, ImageSource, Skipped
from visplay.types import ImageRef, upright_rgb

# Suffixes of images. Pillow cannot read HEIC; it is included so that such files are reported as skipped.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib"),
    *(".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"),
)
# Formats that may be decoded. For security, Pillow's other decoders, such as PostScript, are not used.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF")
# Image processors refuse larger aspect ratios.
MAX_ASPECT = 200
_WORKERS = 4


class FolderSource(ImageSource, type="folder"):
    """All readable images below a folder, at any depth."""

    path: Path = Field(description="the folder; hidden files and folders in it are ignored")

    def open(self, seed: int) -> Catalogue:
        return folder(self.path)

    @property
    def public_name(self) -> str:
        return self.path.resolve().name

    def __str__(self) -> str:
        return str(self.path)


def folder(path: str | Path) -> Catalogue:
    """The readable images below `path`, ordered by id; hidden files and folders are ignored.

    An image's id is its path relative to the folder, with "/" between the parts. Links are followed, and each folder is
    visited once.

    Raises:
        ImageError: the folder does not exist, is a file, or has no readable image.
    """
    root = Path(path)
    if not root.exists():
        raise ImageError(f"no folder of images at {path}")
    if not root.is_dir():
        raise ImageError(f"{path} is a file; give the folder that contains the images")
    found = sorted(_walk(root))
    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        # Pillow only warns about images up to twice its size limit; warnings about metadata do not matter.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        reasons = list(pool.map(lambda entry: entry[2] or fault(entry[1]), found))
    checked = [(id_, file, reason) for (id_, file, _), reason in zip(found, reasons, strict=True)]
    images = tuple(ImageRef(id_, file) for id_, file, reason in checked if not reason)
    skipped = tuple(Skipped(id_, reason) for id_, _, reason in checked if reason)
    if not checked:
        raise ImageError(f"no images in {path} (looked for {', '.join(SUFFIXES)})")
    if not images:
        first = f"{skipped[0].path}: {skipped[0].reason}"
        raise ImageError(f"none of the {len(skipped)} images in {path} can be read; the first: {first}")
    return Catalogue(str(path), images, skipped)


def _walk(root: Path) -> Iterator[tuple[str, Path, str]]:
    """Id, path and known fault ("" if none) of each image file and each unreadable folder."""
    unreadable: list[OSError] = []
    seen: set[tuple[int, int]] = set()
    for place, subfolders, names in os.walk(root, onerror=unreadable.append, followlinks=True):
        status = os.stat(place)
        # Links may form cycles, or lead to a folder that was visited already.
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = [name for name in sorted(subfolders) if not name.startswith(".")]
        for file in (Path(place, name) for name in names if not name.startswith(".")):
            if file.suffix.lower() in SUFFIXES:
                yield _id(file, root), file, ""
    for error in unreadable:
        folder_ = Path(error.filename)
        yield _id(folder_, root), folder_, f"folder cannot be read: {(error.strerror or 'unknown error').lower()}"


def _id(path: Path, root: Path) -> str:
    # File names may be invalid UTF-8, but ids are written to JSON and Parquet.
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def fault(file: Path) -> str:
    """Why `file` cannot be used, in one line; "" if it can."""
    try:
        if not file.is_file():
            return "broken link" if file.is_symlink() else "not a regular file"
        if file.stat().st_size == 0:
            return "empty file"
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            if not width or not height:
                return f"no pixels: {width} x {height}"
            if max(width, height) > MAX_ASPECT * min(width, height):
                return f"{width} x {height} pixels: one side is more than {MAX_ASPECT} times the other"
            # The JPEG decoder then reads every byte but computes an eighth of the resolution.
            image.draft(None, (32, 32))
            upright_rgb(image)
    except UnidentifiedImageError:
        return "not an image, or of a format that cannot be read"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS} pixels"
    except PermissionError:
        return "permission denied"
    # Decoders raise many classes for broken files: OSError, SyntaxError, struct.error, …
    except Exception as error:
        return f"cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}"
    return ""
