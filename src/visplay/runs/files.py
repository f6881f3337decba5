"""Atomic writing of files and folders: at every moment each has its old or its new content, never a part.

After a power failure this holds for files but not for the content of folders, which is not synced.
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

from visplay.errors import RunError, one_line

WRITING = ".writing"
_REPLACED = ".replaced"


def write_whole(path: Path, text: str) -> None:
    """Replace the content of `path` atomically, also if the process or the machine crashes."""
    draft = _hidden(path, WRITING)
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _rename(draft, path)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Replace a JSON file atomically; a value that JSON does not have, such as NaN, is an error before any change."""
    write_whole(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of `write_json`; RunError if the content is not a JSON object."""
    with suppress(ValueError):
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return values
    raise RunError(f"{path} is damaged: not a JSON object; start a new run")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Context manager: a new folder that replaces `target` at the end of the block, or is removed on an error.

    A folder that cannot be written is a `RunError`.
    """
    draft = _hidden(target, WRITING)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError | SafetensorError):
            raise RunError(f"cannot write {target}: {one_line(error)}; fix that, then continue with --resume") from None
        raise
    # A rename cannot replace a folder that is not empty. If the process is killed between the two renames, `tidy`
    # undoes the first.
    replaced = _hidden(target, _REPLACED)
    if target.exists():
        os.replace(target, replaced)
    _rename(draft, target)
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


def _hidden(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}{ending}")


def _rename(draft: Path, path: Path) -> None:
    """Rename, and sync the folder, so that the new name survives a power failure."""
    os.replace(draft, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
