"""Atomic writing of files: at every moment a file has its old or its new content, never a part.

Left out: versions of the format.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from visplay.errors import RunError


def write_whole(path: Path, text: str) -> None:
    """Replace the content of `path` atomically, also if the process or the machine crashes."""
    draft = path.with_name(f".{path.name}.writing")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Sync a folder, so that renames in it survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Replace a JSON file atomically.

    Raises:
        ValueError: a float is not finite.
        TypeError: a value is not a JSON value.
    """
    write_whole(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of `write_json`.

    Raises:
        RunError: the file is not a JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise RunError(f"{path} is damaged: not a JSON object; start a new run")
    return values
