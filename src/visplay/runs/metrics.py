"""metrics.jsonl: what was measured, one JSON object a line, in the order of the run.

A line begins with `phase`, `iteration` and `step`, goes on with the measured values in
alphabetical order and ends with `time`, which alone differs between two runs of one seed.
A float that is not finite is written as null.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visplay.errors import RunError

FRAME = ("phase", "iteration", "step", "time")
"""The keys of a line that are no measured values."""


class MetricsLog:
    """Appends to a metrics file; a line is in the file once `append` returns."""

    def __init__(self, path: Path, size: int = 0) -> None:
        """Open `path` and cut off what stands after its first `size` bytes.

        Raises:
            RunError: the file is shorter than that, so lines were taken out.
        """
        self._path = path
        self._file = path.open("ab")
        present = self._file.tell()
        if present < size:
            self._file.close()
            raise RunError(f"{path} has {present} bytes but state.json says {size}: lines are missing; begin a new run")
        self._file.truncate(size)

    def append(
        self,
        phase: str,
        iteration: int,
        step: int,
        values: Mapping[str, Any],
        time: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """Write one line.

        Args:
            values: numbers, texts, None, NumPy or torch arrays, and lists or mappings of these.
            time: seconds and what follows from them, such as tokens a second.
        Returns:
            what `read_metrics` will read of it.
        Raises:
            ValueError: `values` uses a key of the line's frame.
        """
        taken = [key for key in FRAME if key in values]
        if taken:
            raise ValueError(f"metrics of {phase} may not be named {', '.join(taken)}")
        line = {"phase": phase, "iteration": iteration, "step": step, **plain(values), "time": plain(time or {})}
        self._file.write((json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode())
        self._file.flush()
        return line

    def sync(self) -> int:
        """Put all lines on the disk; their size in bytes."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file; further appends fail."""
        self._file.close()


def plain(value: Any) -> Any:
    """JSON values only: mappings in order of their keys, arrays as lists, floats that are not finite as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All finished lines; one that is still being written is left out."""
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
