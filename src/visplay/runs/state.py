"""JSON files that are whole at every moment: the old content or the new, never a part.

Left out: versions of the format.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from visplay.errors import RunError


def write_whole(path: Path, text: str) -> None:
    """Replace the content of `path`, also across a crash of the process or the machine."""
    draft = path.with_name(f".{path.name}.writing")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make renames in a folder last through a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Replace a JSON file.

    Raises:
        ValueError: a float is not finite; a state must come back as it was.
        TypeError: a value is not JSON.
    """
    write_whole(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object that `write_json` wrote.

    Raises:
        RunError: the file is no JSON object, so something else wrote it.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise RunError(f"{path} is damaged: not a JSON object; begin a new run")
    return values
