"""Durable, atomic writing: a file or folder has its old or its new content, also after a power failure.

Content is synced before the rename that gives it its name, and the folder after it. All files that a run continues from
are written here. A failure to write is a `RunError`, one line.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from visplay.errors import RunError, reason

WRITING = ".writing"
_REPLACED = ".replaced"


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Context manager: the path of a draft, which the block writes and which then replaces `path`."""
    draft = _hidden(path, WRITING)
    try:
        yield draft
        _sync(draft)
        _rename(draft, path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        _refuse(error, path)
        raise


def write_whole(path: Path, text: str) -> None:
    """Replace the content of `path`."""
    with replaced_file(path) as draft:
        # JSON has an escape for half a surrogate pair, UTF-8 has no bytes for it.
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Replace a JSON file; a value that JSON does not have, such as NaN, is an error before any change."""
    write_whole(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of `write_json`; RunError if it cannot be read or is not a JSON object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"cannot read {path}: {reason(error)}; put it back from a copy, or start a new run") from None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise RunError(f"{path} is damaged: not a JSON object; put it back from a copy, or start a new run")
    return values


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing; their names survive a power failure."""
    if path.is_dir():
        return
    try:
        path.mkdir(exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
    _sync(path.parent)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Context manager: a new folder that replaces `target` at the end of the block, or is removed on an error."""
    draft = _hidden(target, WRITING)
    try:
        make_folder(target.parent)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        yield draft
        for folder, _, files in os.walk(draft):
            for name in files:
                _sync(Path(folder, name))
            _sync(Path(folder))
        # A rename cannot replace a folder that is not empty. If the process is killed between the two renames, `tidy`
        # undoes the first.
        replaced = _hidden(target, _REPLACED)
        if target.exists():
            os.replace(target, replaced)
        _rename(draft, target)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        _refuse(error, target)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def tidy(place: Path) -> None:
    """Finish or undo what a killed process was writing in the folder `place`."""
    for left in place.glob(f".*{_REPLACED}"):
        target = place / left.name[1 : -len(_REPLACED)]
        if target.exists():
            shutil.rmtree(left)
        else:
            os.replace(left, target)
    for left in place.glob(f".*{WRITING}"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def _refuse(error: BaseException, path: Path) -> None:
    """Raise a RunError about `path` in place of an error of the disk."""
    if isinstance(error, OSError | SafetensorError):
        raise RunError(f"cannot write {path}: {reason(error)}; free space or mend the disk, then go on") from None


def _hidden(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}{ending}")


def _rename(draft: Path, path: Path) -> None:
    os.replace(draft, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk when the call returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
