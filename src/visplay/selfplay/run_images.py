"""The unlabeled images of a run: what each held when the run began, and which have vanished or changed since.

images.json         size and hash of each image's contents, by id, in the order of the source
lost_images.json    the images that were left out, with the reasons; absent while there are none
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from visplay.errors import ImageError, UnreadableImage, visible
from visplay.images.decode import Content
from visplay.runs.files import read_json, write_json
from visplay.types import ImageRef

_CONTENTS, _LOST = "images.json", "lost_images.json"
_WORKERS = 4
_LOOK_S = 60.0
_ELSE = "put the images back as they were, or start a new run"


class RunImages:
    """The images that a run began with, and those of them that are left.

    A loss is written down at once, so that a run goes on without an image that went away while it ran. An image that
    went away between two sittings is the user's to bring back.

    Args:
        found: the images of the source as they are now.
    Attributes:
        images: those that the run began with, in their order, lost ones among them.
        lost: the reason of each image that is left out, by id.
    Raises:
        UnreadableImage: an image cannot be read.
        ImageError: an image is missing, new or other than when the run began; it is named.
    """

    def __init__(self, run: Path, found: Sequence[ImageRef]) -> None:
        self._file = run / _LOST
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._next_look = 0.0
        self.lost: dict[str, str] = {}
        with ThreadPoolExecutor(_WORKERS) as pool:
            self.images = tuple(pool.map(_with_content, found))
        contents = {image.id: image.content for image in self.images}
        if not (run / _CONTENTS).exists():
            write_json(run / _CONTENTS, contents)
            return
        begun = _contents(run / _CONTENTS)
        if list(begun.items()) != list(contents.items()):
            known = lost_images(run)
            self.lost = {name: known[name] for name in known if contents.get(name) != begun.get(name)}
            _refuse_others(begun, contents, self.lost)
            now = {image.id: image for image in self.images}
            gone = {name: ImageRef(name, b"", content=begun[name]) for name in self.lost}
            self.images = tuple((now | gone)[name] for name in begun)

    def usable(self, image: ImageRef) -> bool:
        """Whether an image is still what it was; if not, it is lost for the rest of the run."""
        return image.id in self.left([image])

    def left(self, images: Iterable[ImageRef]) -> set[str]:
        """The ids of those images that are still what they were. The others are lost from now on.

        A made image is lost with any of its originals. A file is read again only if its time or size changed, so this
        is cheap.
        """
        images = list(images)
        originals = {image.id: image for whole in images for image in whole.originals}
        found = {name: self._fault(image) for name, image in originals.items() if name not in self.lost}
        if lost := {name: reason for name, reason in found.items() if reason}:
            self.lost |= self._others_lost() | lost
            write_json(self._file, lost_images(self._file.parent) | self.lost)
        there = found.keys() - lost.keys()
        return {image.id for image in images if there.issuperset(original.id for original in image.originals)}

    def is_lost(self, image: ImageRef) -> bool:
        """Whether the image, or one that it is made of, is known to be lost; looks at no file."""
        return any(original.id in self.lost for original in image.originals)

    def _others_lost(self) -> dict[str, str]:
        """Images that went away together with a lost one, judged by their size; looked for once a minute at most."""
        if time.monotonic() < self._next_look:
            return {}
        self._next_look = time.monotonic() + _LOOK_S
        return {image.id: reason for image in self.images if (reason := _missing(image))}

    def _fault(self, image: ImageRef) -> str:
        """Why the image is not what it was; "" if it is."""
        if not isinstance(image.data, Path):
            return ""
        try:
            # The stamp is older than the bytes that are compared, so a later change is seen the next time.
            stamp = _stamp(image.data)
            if stamp != self._stamps.get(image.id):
                image.read()
                self._stamps[image.id] = stamp
        except UnreadableImage as error:
            return error.reason
        except (OSError, ValueError) as error:
            return "no such file" if isinstance(error, FileNotFoundError) else visible(str(error))
        return ""


def lost_images(run: Path) -> dict[str, str]:
    """The images that were left out of a run because they vanished or changed, by id, with the reasons."""
    file = run / _LOST
    return {str(name): str(reason) for name, reason in read_json(file).items()} if file.exists() else {}


def lost_lines(lost: Mapping[str, str], shown: int = 20) -> list[str]:
    """What the terminal says of lost images at the end of a run; nothing where there are none."""
    if not lost:
        return []
    count = "1 image" if len(lost) == 1 else f"{len(lost)} images"
    lines = [f"{count} vanished or changed during the run and took no further part:"]
    lines += [f"  {visible(name)}: {reason}" for name, reason in list(lost.items())[:shown]]
    return lines + ([f"  and {len(lost) - shown} more"] if len(lost) > shown else [])


def _with_content(image: ImageRef) -> ImageRef:
    return image if image.content else replace(image, content=Content.of(image.read()))


def _missing(image: ImageRef) -> str:
    """Why a file is no longer what it was, without reading it; "" if it may be."""
    if not isinstance(image.data, Path) or image.content is None:
        return ""
    try:
        status = os.stat(image.data)
    except (OSError, ValueError):
        return "no such file"
    return "" if stat.S_ISREG(status.st_mode) and status.st_size == image.content.size else "its contents changed"


def _stamp(path: Path) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_mode, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _contents(file: Path) -> dict[str, Content]:
    values: dict[str, Any] = read_json(file)
    try:
        return {name: Content(int(size), str(hash_)) for name, (size, hash_) in values.items()}
    except (ValueError, TypeError, OverflowError):
        raise ImageError(f"{file} is damaged; put it back from a copy, or start a new run") from None


def _refuse_others(begun: Mapping[str, Content], now: Mapping[str, Content | None], lost: Mapping[str, str]) -> None:
    """Raise an ImageError that names the first image that is not what the run began with."""
    differing = [name for name in begun if now.get(name) != begun[name] and name not in lost]
    differing += [name for name in now if name not in begun]
    if differing:
        name = differing[0]
        what = "is new" if name not in begun else "has other contents" if name in now else "is missing or unreadable"
        more = f", and {len(differing) - 1} more differ" if len(differing) > 1 else ""
        raise ImageError(f"image {visible(name)} {what} since the run began{more}; {_ELSE}")
    if len(lost) == len(begun):
        raise ImageError(f"all images of the run vanished or changed; {_ELSE}")
