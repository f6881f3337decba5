"""Files of marks: an empty, cut off, damaged or missing one is an error and no result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visplay.errors import EvaluationError
from visplay.evaluation.grading import Mark
from visplay.evaluation.results import Measurement, SuiteResult, measurement_file, run_measurements


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory with the measurements of the base and two iterations."""
    (tmp_path / "measurements").mkdir()
    lines = []
    for t in range(3):
        marks = tuple(Mark(f"item {n}", "red", n > t, True) for n in range(4))
        Measurement({"greedy": {"suite": SuiteResult("suite", marks)}}).save(measurement_file(tmp_path, t))
        lines.append(json.dumps({"phase": "measure", "iteration": t, "step": 0, "time": {}}) + "\n")
    (tmp_path / "metrics.jsonl").write_text("".join(lines))
    return tmp_path


def test_what_was_measured_is_read(run: Path) -> None:
    base, iterations = run_measurements(run)
    assert base is not None and [one.greedy["suite"].correct for one in (base, *iterations)] == [3, 2, 1]


@pytest.mark.parametrize("iteration", [0, 1, 2])
def test_what_is_damaged_is_an_error(run: Path, iteration: int) -> None:
    file = measurement_file(run, iteration)
    whole = file.read_bytes()
    for content, told in {
        b"": "is empty",
        whole[:-5]: "is cut off",
        b"\xff" + whole: "is damaged",
        b"[]\n": "is damaged",
        b'{"decoding": 1}\n': "is damaged",
        b"{}\n" + whole: "is damaged",
    }.items():
        file.write_bytes(content)
        with pytest.raises(EvaluationError, match=f"{told}.*; put it back from a copy, or measure again"):
            run_measurements(run)
    file.unlink()
    with pytest.raises(EvaluationError, match=r"cannot read the marks in .*: no such file"):
        run_measurements(run)


def test_a_base_that_was_not_measured_is_none(run: Path) -> None:
    (run / "metrics.jsonl").write_text("".join((run / "metrics.jsonl").read_text().splitlines(keepends=True)[1:]))
    measurement_file(run, 0).unlink()
    base, iterations = run_measurements(run)
    assert base is None and len(iterations) == 2
