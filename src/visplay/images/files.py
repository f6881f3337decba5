"""Opens files that a user or a stranger named: a FIFO, a device or a socket is refused, and nothing waits for one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from visplay.errors import ImageError

MOST_BYTES = 2**29  # of an image's file
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: Path) -> BinaryIO:
    """A regular file, open for reading; ImageError with the reason, without the path, for anything else.

    The kind is checked before the file is opened, because to open a device may have effects, and again on what was
    opened, because the name may stand for something else by then. Without O_NONBLOCK, a FIFO would wait for a writer.
    """
    try:
        _refuse_irregular(os.stat(path))
        descriptor = os.open(path, _FLAGS)
        try:
            _refuse_irregular(os.fstat(descriptor))
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
    except FileNotFoundError:
        raise ImageError("broken link" if os.path.islink(path) else "no such file") from None
    except PermissionError:
        raise ImageError("permission denied") from None
    except (OSError, ValueError) as error:  # a name that is too long, or that has a NUL byte
        if isinstance(error, ImageError):
            raise
        raise ImageError((getattr(error, "strerror", None) or str(error)).lower()) from None


def read_regular(path: Path) -> bytes:
    """The content of a regular file of at most `MOST_BYTES`; ImageError with the reason if there is none."""
    with open_regular(path) as file:
        size = _size(file)
        try:
            content = file.read(size + 1)
        except OSError as error:
            raise ImageError((error.strerror or str(error)).lower()) from None
    if len(content) != size:
        raise ImageError("was written to while it was read")
    return content


def _size(file: BinaryIO) -> int:
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise ImageError("empty file")
    if size > MOST_BYTES:
        raise ImageError(f"{size} bytes, more than {MOST_BYTES}")
    return size


def _refuse_irregular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a regular file")
