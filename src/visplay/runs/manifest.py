"""Manifests: size and SHA-256 of files, so that damage is noticed before anything is continued from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from visplay.errors import RunError, reason
from visplay.runs.files import write_json

MANIFEST = "manifest.json"

Entry = dict[str, Any]
"""`size`, bytes, and `sha256` of a file."""


def entry(path: Path) -> Entry:
    """The entry of a file, which is read once."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"size": file.tell(), "sha256": digest}


def write_manifest(folder: Path) -> None:
    """Write manifest.json, which lists every other file in and below `folder`."""
    write_json(folder / MANIFEST, {"files": _entries(folder)})


def folder_damage(folder: Path) -> str:
    """How the files of a folder differ from its manifest.json, in words; empty if they do not."""
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        found = _entries(folder)
        for name in sorted({*listed, *found}):
            if told := difference(name, listed.get(name), found.get(name)):
                return told
    except OSError as error:
        name = Path(error.filename).name if isinstance(error.filename, str) else MANIFEST
        return f"{name} cannot be read ({reason(error)})"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{MANIFEST} is no manifest"
    return ""


def check_folder(folder: Path) -> None:
    """Raise a RunError if a checkpoint's files are not those of its manifest."""
    if told := folder_damage(folder):
        raise RunError(f"the checkpoint {folder} is damaged: {told}; put it back from a copy, or start a new run")


def difference(name: str, listed: Mapping[str, Any] | None, found: Mapping[str, Any] | None) -> str:
    """How a file differs from its entry, in words; empty if it does not."""
    if found is None:
        return f"{name} is missing"
    if listed is None:
        return f"{name} is no file of it"
    if found["size"] != listed["size"]:
        return f"{name} has {found['size']} bytes, not {listed['size']}"
    return "" if found == listed else f"the content of {name} has changed"


def _entries(folder: Path) -> dict[str, Entry]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / MANIFEST]
    with ThreadPoolExecutor(4) as pool:  # hashing does not hold the interpreter's lock
        return {str(path.relative_to(folder)): made for path, made in zip(files, pool.map(entry, files), strict=True)}
