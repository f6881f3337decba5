"""The image source `folder`, and images of listed files; each is decoded once to find those that cannot be used."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from pydantic import Field

from visplay.errors import ImageError, visible
from visplay.images.decode import examine
from visplay.interfaces.image_source import Catalogue, ImageSource, Skipped
from visplay.types import ImageRef

# Suffixes of images. Pillow cannot read HEIC; it is included so that such files are reported as skipped.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib"),
    *(".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"),
)
_WORKERS = 4
# A link to one of these brings in the images of a whole machine, and one to a folder below the last three never ends.
_SYSTEM = frozenset(
    "/ /bin /boot /etc /home /lib /lib64 /opt /root /run /sbin /tmp /usr /usr/lib /usr/local /usr/share /var".split()
)
_DEVICES = tuple(map(Path, ("/dev", "/proc", "/sys")))


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

    Hidden files and folders are ignored, and each folder is visited once. A link to a folder elsewhere is followed and
    named; one to a folder of the system, or to a folder that contains this one, is skipped.

    Raises:
        ImageError: the folder does not exist, is a file, or has no readable image.
    """
    root, name = Path(path), visible(str(path))
    if not os.path.exists(root):
        raise ImageError(f"no folder of images at {name}")
    if not root.is_dir():
        raise ImageError(f"{name} is a file; give the folder that contains the images")
    walk = _Walk(root)
    images, unusable = _examined(sorted(_with_ids(root, list(walk.files()))))
    skipped = sorted([*walk.skipped, *unusable], key=lambda one: one.path)
    if not images and not skipped:
        raise ImageError(f"no images in {name} (looked for {', '.join(SUFFIXES)})")
    if not images:
        first = f"{visible(skipped[0].path)}: {skipped[0].reason}"
        raise ImageError(f"none of the {len(skipped)} images in {name} can be read; the first: {first}")
    return Catalogue(str(path), images, tuple(skipped), tuple(walk.linked))


def read_files(paths: Sequence[str]) -> tuple[tuple[ImageRef, ...], tuple[Skipped, ...]]:
    """The readable images, in order and without repetitions, and the other files; an image's id is its path."""
    images, skipped = _examined([(_escaped(path), Path(path)) for path in dict.fromkeys(paths)])
    return images, tuple(skipped)


@dataclass
class _Walk:
    """Finds the files below a folder that are named like images.

    Attributes:
        skipped: folders that cannot be read, and links that are not followed.
        linked: links to folders elsewhere that are followed, such as "more -> /data/more".
    """

    root: Path
    skipped: list[Skipped] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)

    def files(self) -> Iterator[Path]:
        seen: set[tuple[int, int]] = set()
        for place, subfolders, names in os.walk(self.root, onerror=self._unreadable, followlinks=True):
            # Links may form cycles, or lead to a folder that was visited already.
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in seen:
                subfolders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            shown = [name for name in sorted(subfolders) if not name.startswith(".")]
            subfolders[:] = [name for name in shown if self._may_enter(Path(place, name))]
            files = (Path(place, name) for name in names if not name.startswith("."))
            yield from (file for file in files if file.suffix.lower() in SUFFIXES)

    def _may_enter(self, folder: Path) -> bool:
        if not folder.is_symlink():
            return True
        root, target = self.root.resolve(), folder.resolve()
        if target.is_relative_to(root):
            return True
        device = any(target.is_relative_to(place) for place in _DEVICES)
        if device or str(target) in _SYSTEM or root.is_relative_to(target):
            reason = f"a link to {visible(str(target))}, which is not followed; give the folder that holds the images"
            self.skipped.append(Skipped(_id(folder, self.root), reason))
            return False
        self.linked.append(f"{_id(folder, self.root)} -> {target}")
        return True

    def _unreadable(self, error: OSError) -> None:
        self.skipped.append(Skipped(_id(Path(error.filename), self.root), "folder cannot be read"))


def _with_ids(root: Path, files: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Each file with its id. Where an escaped name looks like another one, the hash of the name is added."""
    times = Counter(_id(file, root) for file in files)
    for file in files:
        id_, name = _id(file, root), os.fsencode(file.relative_to(root))
        unlike = times[id_] == 1 or id_.encode() == name
        yield (id_ if unlike else f"{id_}#{blake2b(name, digest_size=8).hexdigest()}"), file


def _id(path: Path, root: Path) -> str:
    return _escaped(path.relative_to(root).as_posix())


def _escaped(name: str) -> str:
    """File names may be invalid UTF-8, but ids are written to JSON and Parquet."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _examined(found: Sequence[tuple[str, Path]]) -> tuple[tuple[ImageRef, ...], list[Skipped]]:
    """The images among files with their ids, in order; and the other files with the reasons."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        results = list(pool.map(_examined_one, found))
    images = tuple(result for result in results if isinstance(result, ImageRef))
    return images, [result for result in results if isinstance(result, Skipped)]


def _examined_one(found: tuple[str, Path]) -> ImageRef | Skipped:
    name, file = found
    try:
        return ImageRef(name, file, content=examine(file))
    except ImageError as error:
        return Skipped(name, str(error))
