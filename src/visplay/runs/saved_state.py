"""state.json and state.before.json: the last saved step, and the last one of the checkpoint before.

    sha256    of all that follows, so that a changed file is noticed
    metrics   size and SHA-256 of the lines of metrics.jsonl that belong to the step
    files     size and SHA-256 of the other files that the run reads again
    state     the state itself; empty before the first step

A run continues from state.json if nothing that it names is damaged, else from state.before.json.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from visplay.errors import RunError, reason
from visplay.runs.files import read_json, write_json
from visplay.runs.manifest import Entry, difference, entry, folder_damage

STATE, BEFORE = "state.json", "state.before.json"
_ADVICE = "put it back from a copy, or start a new run"


@dataclass(frozen=True, slots=True)
class SavedState:
    """The content of state.json, without the checksum."""

    metrics: Entry = field(default_factory=lambda: {"size": 0, "sha256": hashlib.sha256().hexdigest()})
    files: dict[str, Entry] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def checkpoint(self) -> str:
        """The name of the checkpoint to continue from; empty without one."""
        return str(self.state.get("checkpoint", ""))

    @property
    def checkpoints(self) -> set[str]:
        """The names of all checkpoints that the state needs."""
        return {self.checkpoint, *self.state.get("pinned", {}).values()} - {""}

    def write(self, path: Path) -> None:
        """Write the file `path`."""
        values = asdict(self)
        write_json(path, {"sha256": _checksum(values), **values})

    @classmethod
    def read(cls, path: Path) -> SavedState:
        """Read what `write` wrote; RunError if the file is missing or was changed."""
        values = read_json(path)
        if values.pop("sha256", None) != _checksum(values):
            raise RunError(f"{path} is damaged: its content does not fit its checksum; {_ADVICE}")
        return cls(**values)


def last_usable(run: Path) -> tuple[SavedState, str]:
    """The newest state of a run of which no file is damaged, and what is wrong with the newest one, in words.

    The older state becomes state.json. RunError if both are damaged.
    """
    if not (run / STATE).exists() and not (run / "metrics.jsonl").exists():
        begun = SavedState()  # the process was killed while it created the run
        begun.write(run / STATE)
        return begun, ""
    saved, wrong = _checked(run, STATE)
    if saved is not None and not wrong:
        return saved, ""
    before, also_wrong = _checked(run, BEFORE) if (run / BEFORE).exists() else (None, "it was the first")
    if before is None or also_wrong:
        raise RunError(f"{wrong}, and there is nothing before it to go on from; {_ADVICE}")
    before.write(run / STATE)
    return before, f"{wrong}; the run goes on from the checkpoint before, {before.checkpoint}"


def _checked(run: Path, name: str) -> tuple[SavedState | None, str]:
    try:
        saved = SavedState.read(run / name)
    except RunError as error:
        return None, str(error).removesuffix(f"; {_ADVICE}")
    return saved, next(_damage(run, saved), "")


def _damage(run: Path, saved: SavedState) -> Iterator[str]:
    """What is wrong with the files that a state names, the cheapest to find first."""
    for name, listed in {"metrics.jsonl": saved.metrics, **saved.files}.items():
        found: Entry | None = None
        try:
            found = _beginning(run / name, listed["size"]) if name == "metrics.jsonl" else entry(run / name)
        except FileNotFoundError:
            if saved == SavedState():  # the process was killed before the first line
                continue
        except OSError as error:
            yield f"{run / name} cannot be read ({reason(error)})"
            continue
        if told := difference(str(run / name), listed, found):
            yield told
    for name in sorted(saved.checkpoints, key=lambda name: name != saved.checkpoint):
        if told := folder_damage(run / "checkpoints" / name):
            yield f"the checkpoint {run / 'checkpoints' / name} is damaged: {told}"


def _beginning(path: Path, size: int) -> Entry:
    """The entry of the first `size` bytes of a file."""
    with path.open("rb") as file:
        content = file.read(size)
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _checksum(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
