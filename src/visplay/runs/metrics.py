"""metrics.jsonl: the metrics of a run, one JSON object per line, in order of time.

A line has `phase`, `iteration` and `step`, then the measured values in alphabetical order, then `time`. Two runs with
the same seed differ only in `time`. A float that is not finite is written as null.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from visplay.errors import RunError, reason

FRAME = ("phase", "iteration", "step", "time")  # the keys of a line that are not measured values


class MetricsLog:
    """Appends lines to a metrics file, which is first cut to `size` bytes.

    RunError if lines are missing, or if the file cannot be written.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self._path = path
        if path.is_symlink():  # what a stranger's link leads to would be cut
            raise RunError(f"{path} is a link; put the file itself there")
        present = path.stat().st_size if path.exists() else 0
        if present < size:
            raise RunError(f"{path} has {present} bytes but state.json says {size}: lines are missing; start a new run")
        # Without a buffer, closing after a failed write does not fail again.
        self._file = path.open("ab", buffering=0)
        self._file.truncate(size)
        self._digest = hashlib.sha256(path.read_bytes())

    def append(
        self, phase: str, iteration: int, step: int, values: Mapping[str, Any], time: Mapping[str, float] | None = None
    ) -> dict[str, Any]:
        """Write one line, and return it as `read_metrics` reads it; it is in the file when the call returns.

        Args:
            values: numbers, strings, None, NumPy or torch arrays, and lists or mappings of these; no key of `FRAME`.
            time: seconds and values that depend on them, such as tokens per second.
        """
        if taken := [key for key in FRAME if key in values]:
            raise ValueError(f"metrics of {phase} must not be named {', '.join(taken)}")
        place = {"phase": phase, "iteration": iteration, "step": step}
        line = {**place, **json_value(values), "time": json_value(time or {})}
        data = (json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode()
        with self._writing():
            rest = data
            while rest:
                rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        return line

    def sync(self) -> dict[str, Any]:
        """Sync the file to disk; returns its `size`, bytes, and its `sha256`."""
        with self._writing():
            os.fsync(self._file.fileno())
            return {"size": self._file.tell(), "sha256": self._digest.hexdigest()}

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"cannot write {self._path}: {reason(error)}; free space or mend the disk, then go on"
            ) from None


def json_value(value: Any) -> Any:
    """The value as JSON values: mappings sorted by key, arrays as lists, floats that are not finite as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): json_value(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [json_value(element) for element in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, without a line that is still being written; RunError if it is damaged."""
    lines = path.read_bytes().splitlines(keepends=True)
    return [_object(path, number, line) for number, line in enumerate(lines, start=1) if line.endswith(b"\n")]


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise RunError(f"{path}, line {number}, is not a JSON object; put it back from a copy, or start a new run")
    return values


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested metrics, with "/" between the parts of their names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
