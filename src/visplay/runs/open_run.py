"""Read access to a run directory, as Python values and Arrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from visplay.config import Settings, load_settings
from visplay.errors import RunError, VisplayError, one_line
from visplay.runs.directory import check_finished, check_run
from visplay.runs.files import read_json
from visplay.runs.metrics import flatten, read_metrics
from visplay.runs.parquet import read_table
from visplay.runs.schemas import ASKED, SILVER


@dataclass(frozen=True, slots=True)
class Run:
    """A run, running or finished: its directory, and the settings in its config.yaml."""

    path: Path
    settings: Settings

    @property
    def finished(self) -> bool:
        """Whether the run has its summary and its final roles."""
        return (self.path / "summary.json").is_file()

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json; RunError if the run is not finished."""
        check_finished(self.path)
        return read_json(self.path / "summary.json")

    def metrics(self) -> pa.Table:
        """One row per step: phase, iteration, step, and every metric of any phase, null where a phase has none.

        Nested metrics are columns with "/" in their names, such as `types/open`; `seconds` is the duration of the step.
        """
        file = self.path / "metrics.jsonl"
        lines = read_metrics(file) if file.exists() else []
        return _table([dict(flatten({**line, "time": {}} | line["time"])) for line in lines])

    def asked(self) -> pa.Table:
        """One row per completion of the Questioner: votes, verdict of the gates, reward; see `runs/schemas.py`.

        Rows of the phase "reasoner" are groups of the Reasoner's answers, a few of each step.
        """
        return _joined((self.path / "asked").glob("*.parquet"), ASKED)

    def silver(self, iteration: int | None = None) -> pa.Table:
        """The silver sets, one row per question, of one iteration or of all; see `runs/schemas.py`."""
        number = "*" if iteration is None else iteration
        return _joined((self.path / "silver").glob(f"iteration-{number}.parquet"), SILVER)

    def measurements(self) -> pa.Table:
        """One row per labelled item, decoding and iteration: suite, item, answer, correct, …; base: iteration 0."""
        rows = []
        for file in sorted((self.path / "measurements").glob("iteration-*.jsonl")):
            iteration = int(file.stem.rpartition("-")[2])
            rows += [{"iteration": iteration, **row} for row in read_metrics(file)]
        return _table(rows)


def open_run(path: str | Path) -> Run:
    """The run in a directory; RunError if there is none, ConfigError if its config.yaml is invalid."""
    path = Path(path)
    check_run(path)
    return Run(path, load_settings(str(path / "config.yaml")))


@contextmanager
def legible(run: object) -> Iterator[None]:
    """Context manager for reading the files of a run, which anyone may have written.

    What is no error of the system and not in words yet becomes a RunError.
    """
    try:
        yield
    except (OSError, VisplayError):
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {one_line(error)}"
        raise RunError(f"a file of {run} is damaged, or another version wrote it ({told}); put it back") from error


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _joined(files: Iterable[Path], schema: pa.Schema) -> pa.Table:
    tables = [read_table(file) for file in sorted(files)]
    return pa.concat_tables(tables, promote_options="default") if tables else schema.empty_table()
