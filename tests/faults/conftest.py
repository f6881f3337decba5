"""A run that nothing breaks, with which the broken ones are compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign import Moment, evolve, on_changes, prepare, result


@dataclass(frozen=True)
class Reference:
    """A finished run, its preset, what it came to, and all its changes of files in order."""

    preset: Path
    run: Path
    result: dict[str, Any]
    moments: tuple[Moment, ...]


class Recorder:
    """A fault that breaks nothing: it writes the moments of a run to a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, run: Path) -> None:
        log = self.file.open("w")
        on_changes(
            run, lambda number, moment, half: print(json.dumps([moment.event, moment.file]), file=log, flush=True)
        )


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Reference:
    """The run of two iterations."""
    return _reference(tmp_path_factory.mktemp("reference"), model_folder, 2)


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Reference:
    """The same with one iteration."""
    return _reference(tmp_path_factory.mktemp("short"), model_folder, 1)


def _reference(folder: Path, model: Path, iterations: int) -> Reference:
    preset = prepare(folder, model)
    preset.write_text(preset.read_text().replace("iterations: 2", f"iterations: {iterations}"))
    run = folder / "run"
    ended = evolve(preset, run)
    assert ended.status == 0, ended.error
    record = folder / "moments.jsonl"
    again = evolve(preset, folder / "again", Recorder(record))
    assert again.status == 0, again.error
    assert result(folder / "again") == result(run), "two undisturbed runs are equal"
    return Reference(preset, run, result(run), tuple(Moment(*json.loads(line)) for line in record.open()))
