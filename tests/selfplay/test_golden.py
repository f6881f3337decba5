"""The figures of a short evolution stay what they were: metrics.jsonl is compared with a stored file.

A change that is meant to alter figures renews the file in the same commit, and says so in its message:

    VISPLAY_RENEW_GOLDEN=1 pytest tests/selfplay/test_golden.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.tiny_runs import TINY
from visplay.config import load_settings
from visplay.lab.drawings import drawings
from visplay.lab.observer import LabObserver
from visplay.lab.suites.tasks import lab_suites
from visplay.lab.truth import Truth, drawn
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import run_evolution

GOLDEN = Path(__file__).with_name("golden.jsonl")
CHANGES = [
    *("iterations=2", "questioner.steps=2", "questioner.learning_rate=1e-5", "rl.learning_rate=1e-5"),
    *("silver.labeler={type: facts, augmentations: [plain, smaller]}", "reasoner.reward=silver"),
    *("acceptance.images=4", "acceptance.questions_per_image=1", "acceptance.votes=2"),
    *("evaluation.sampled=true", "evaluation.pass_k=2", "evaluation.paper_comparison=4"),
]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The order of additions, and so the last digits, depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_the_metrics_of_a_short_evolution_are_the_stored_ones(tmp_path: Path) -> None:
    settings = load_settings("paper-lab", [*TINY, *CHANGES], {"images": "lab/clean"})
    images, scenes = drawings("clean", 20, 0)
    suites = tuple(lab_suites(0, 2, ["color", "counting"], ["pastel"]))
    with RunDirectory.create(tmp_path / "run", settings) as run:
        run_evolution(run, RunInputs(images, suites, LabObserver(Truth(drawn(scenes)))), Console(quiet=True))
    found = [without_time(line) for line in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    if os.environ.get("VISPLAY_RENEW_GOLDEN"):
        GOLDEN.write_text("".join(json.dumps(line) + "\n" for line in found), encoding="utf-8")
    golden = read_metrics(GOLDEN)
    assert [place(line) for line in found] == [place(line) for line in golden]
    for ours, stored in zip(found, golden, strict=True):
        assert flat(ours, keep=is_exact) == flat(stored, keep=is_exact), place(stored)
        figures = pytest.approx(flat(stored, keep=is_float), rel=1e-6, abs=1e-9)
        assert flat(ours, keep=is_float) == figures, place(stored)


def without_time(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "time"}


def place(line: dict[str, Any]) -> tuple[int, str, int]:
    return line["iteration"], line["phase"], line["step"]


def is_float(value: Any) -> bool:
    return isinstance(value, float)


def is_exact(value: Any) -> bool:
    return not is_float(value)


def flat(values: Any, name: str = "", *, keep: Callable[[Any], bool]) -> dict[str, Any]:
    """Single values by their place in nested lists and mappings, which `pytest.approx` does not enter."""
    if isinstance(values, dict):
        parts = [flat(value, f"{name}/{key}", keep=keep) for key, value in values.items()]
    elif isinstance(values, list):
        parts = [flat(value, f"{name}/{place}", keep=keep) for place, value in enumerate(values)]
    else:
        return {name: values} if keep(values) else {}
    return {key: value for part in parts for key, value in part.items()}
