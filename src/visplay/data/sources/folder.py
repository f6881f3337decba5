"""The image source `folder`, and images of listed files; each file is decoded once to find those that cannot be used.

Left out: archives, videos, all but the first frame of animations and multi-page files, colour profiles.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from pydantic import Field

from visplay.errors import ImageError, one_line
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
    """The readable images below `path`, ordered by id, which is the path below the folder with "/" between its parts.

    Hidden files and folders are ignored. Links are followed, and each folder is visited once.

    Raises:
        ImageError: the folder does not exist, is a file, or has no readable image.
    """
    root = Path(path)
    if not root.exists():
        raise ImageError(f"no folder of images at {path}")
    if not root.is_dir():
        raise ImageError(f"{path} is a file; give the folder that contains the images")
    found = sorted(_walk(root))
    reasons = _faults([file for _, file in found])
    images = tuple(ImageRef(id_, file) for (id_, file), reason in zip(found, reasons, strict=True) if not reason)
    skipped = tuple(Skipped(id_, reason) for (id_, _), reason in zip(found, reasons, strict=True) if reason)
    if not found:
        raise ImageError(f"no images in {path} (looked for {', '.join(SUFFIXES)})")
    if not images:
        first = f"{skipped[0].path}: {skipped[0].reason}"
        raise ImageError(f"none of the {len(skipped)} images in {path} can be read; the first: {first}")
    return Catalogue(str(path), images, skipped)


def read_files(paths: Sequence[str]) -> tuple[tuple[ImageRef, ...], tuple[Skipped, ...]]:
    """The readable images, in order and without repetitions, and the other files; an image's id is its path."""
    distinct = list(dict.fromkeys(paths))
    faults = dict(zip(distinct, _faults([Path(path) for path in distinct]), strict=True))
    images = tuple(ImageRef(path, Path(path)) for path, fault in faults.items() if not fault)
    return images, tuple(Skipped(path, fault) for path, fault in faults.items() if fault)


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    """Id and path of each image file and each unreadable folder."""
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
                yield _id(file, root), file
    yield from ((_id(Path(error.filename), root), Path(error.filename)) for error in unreadable)


def _id(path: Path, root: Path) -> str:
    # File names may be invalid UTF-8, but ids are written to JSON and Parquet.
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def _faults(files: Sequence[Path]) -> list[str]:
    """Why each file cannot be used, in one line; "" if it can."""
    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        # Pillow only warns about images up to twice its size limit; warnings about metadata do not matter.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return list(pool.map(_fault, files))


def _fault(file: Path) -> str:
    try:
        if file.is_dir() and not os.access(file, os.R_OK | os.X_OK):
            return "folder cannot be read"
        if not file.is_file():
            return "not a regular file" if file.exists() else "broken link" if file.is_symlink() else "no such file"
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
        return f"cannot be decoded: {one_line(error)}"
    return ""
