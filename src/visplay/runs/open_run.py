"""Read access to a run directory, as Python values and Arrow tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from visplay.config import Settings, load_settings
from visplay.errors import RunError
from visplay.runs.directory import check_run
from visplay.runs.metrics import flatten, read_metrics
from visplay.runs.schemas import ASKED, SILVER
from visplay.runs.state import read_json


@dataclass(frozen=True, slots=True)
class Run:
    """A run, running or finished.

    Attributes:
        path: the run directory.
        settings: the settings in config.yaml.
    """

    path: Path
    settings: Settings

    @property
    def finished(self) -> bool:
        """Whether the run has its summary and its final roles."""
        return (self.path / "summary.json").is_file()

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json.

        Raises:
            RunError: the run is not finished.
        """
        if not self.finished:
            raise RunError(f"the run at {self.path} is not finished; let it finish with `visplay evolve --resume`")
        return read_json(self.path / "summary.json")

    def metrics(self) -> pa.Table:
        """One row per step: phase, iteration, step, and every metric of any phase, null where a phase has none.

        Nested metrics are columns with "/" in their names, such as `types/open`; `seconds` is the duration of the step.
        """
        file = self.path / "metrics.jsonl"
        lines = read_metrics(file) if file.exists() else []
        times = [line.pop("time") for line in lines]
        return _table([dict(flatten(line | time)) for line, time in zip(lines, times, strict=True)])

    def asked(self) -> pa.Table:
        """One row per completion of the Questioner: votes, verdict of the gates, reward; see `runs/schemas.py`."""
        return _joined(sorted((self.path / "asked").glob("*.parquet")), ASKED)

    def silver(self, iteration: int | None = None) -> pa.Table:
        """The silver sets, one row per question, of one iteration or of all; see `runs/schemas.py`."""
        name = "iteration-*.parquet" if iteration is None else f"iteration-{iteration}.parquet"
        return _joined(sorted((self.path / "silver").glob(name)), SILVER)

    def measurements(self) -> pa.Table:
        """One row per labelled item, decoding and iteration: suite, item, answer, correct, …; base: iteration 0."""
        rows = []
        for file in sorted((self.path / "measurements").glob("iteration-*.jsonl")):
            iteration = int(file.stem.rpartition("-")[2])
            with file.open(encoding="utf-8") as lines:
                rows += [{"iteration": iteration, **json.loads(line)} for line in lines]
        return _table(rows)


def open_run(path: str | Path) -> Run:
    """The run in a directory.

    Raises:
        RunError: there is no run.
        ConfigError: its config.yaml is invalid.
    """
    path = Path(path)
    check_run(path)
    return Run(path, load_settings(str(path / "config.yaml")))


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _joined(files: Sequence[Path], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in files]) if files else schema.empty_table()
