"""Damaged runs: the state of the checkpoint before is taken, or one line says what is wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from visplay.config import Settings
from visplay.errors import RunError
from visplay.runs import RunDirectory, read_metrics
from visplay.runs.files import write_json
from visplay.runs.manifest import folder_damage


def step(run: RunDirectory, number: int) -> None:
    """A step that writes a line, a silver set and a checkpoint."""
    run.metrics.append("reasoner", 1, number, {"reward": number})
    (run.path / "silver").mkdir(exist_ok=True)
    write_json(run.path / "silver" / f"{number}.json", {"number": number})
    with run.new_folder(f"checkpoints/step-{number}") as folder:
        (folder / "weights").write_text(str(number) * 100)
    run.save_state({"step": number, "checkpoint": f"step-{number}", "pinned": {"accepted": "step-1"}})
    run.discard(keep=[f"step-{number}", "step-1"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with RunDirectory.create(tmp_path / "run", Settings()) as run:
        for number in (1, 2, 3, 4):
            step(run, number)
    return tmp_path / "run"


def test_the_last_two_checkpoints_and_the_pinned_one_are_kept(path: Path) -> None:
    assert {folder.name for folder in (path / "checkpoints").iterdir()} == {"step-1", "step-3", "step-4"}
    assert not any(map(folder_damage, (path / "checkpoints").iterdir()))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            lambda path: (path / "checkpoints/step-4/weights").write_text("5" * 100),
            "content of weights has changed",
        ),
        (lambda path: os.truncate(path / "checkpoints/step-4/weights", 10), "weights has 10 bytes, not 100"),
        (lambda path: (path / "checkpoints/step-4/weights").unlink(), "weights is missing"),
        (lambda path: (path / "checkpoints/step-4/more").touch(), "more is no file of it"),
        (lambda path: (path / "checkpoints/step-4/manifest.json").write_text("{}"), "manifest.json is no manifest"),
        (lambda path: shutil.rmtree(path / "checkpoints/step-4"), "manifest.json cannot be read"),
        (lambda path: (path / "silver/4.json").write_text("{}"), "silver/4.json has 2 bytes"),
        (lambda path: (path / "silver/4.json").unlink(), "silver/4.json is missing"),
        (lambda path: (path / "state.json").write_text("[]"), "state.json is damaged"),
        (lambda path: (path / "state.json").unlink(), "cannot read"),
    ],
)
def test_the_state_of_the_checkpoint_before_is_taken(path: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(path)
    for _ in range(2):  # the second time nothing is damaged any more
        with RunDirectory.open(path) as run:
            assert run.load_state() == {"step": 3, "checkpoint": "step-3", "pinned": {"accepted": "step-1"}}
            assert told in run.notice and "\n" not in run.notice
            assert [line["step"] for line in read_metrics(path / "metrics.jsonl")] == [1, 2, 3]
        told = ""
    with RunDirectory.open(path) as run:
        run.discard(keep=["step-3", "step-1"])
        step(run, 4)
        assert run.notice == ""
    with RunDirectory.open(path) as run:
        state = run.load_state()
        assert state is not None and state["step"] == 4 and run.notice == ""


@pytest.mark.parametrize("file", ["metrics.jsonl", "silver/2.json", "checkpoints/step-1/weights"])
def test_what_both_states_need_is_one_line_that_says_what_to_do(path: Path, file: str) -> None:
    content = (path / file).read_bytes()
    (path / file).write_bytes(content.replace(b"1", b"7", 1).replace(b"2", b"8", 1))
    with pytest.raises(RunError, match="; put it back from a copy, or start a new run") as raised:
        RunDirectory.open(path)
    assert Path(file).name in str(raised.value) and "\n" not in str(raised.value)
    (path / file).write_bytes(content)
    RunDirectory.open(path).close()


def test_a_finished_run_is_used_without_its_checkpoints(path: Path) -> None:
    shutil.rmtree(path / "checkpoints")
    before = (path / "metrics.jsonl").read_bytes()
    with RunDirectory.open(path, check=False) as run:
        state = run.load_state()
        assert state is not None and state["step"] == 4
    assert (path / "metrics.jsonl").read_bytes() == before
    with pytest.raises(RunError, match="start a new run"):
        RunDirectory.open(path)


def test_a_damaged_state_of_the_checkpoint_before_is_not_needed(path: Path) -> None:
    (path / "state.before.json").write_text("{}")
    with RunDirectory.open(path) as run:
        assert run.notice == ""
        step(run, 5)
    (path / "checkpoints/step-5/weights").unlink()
    with RunDirectory.open(path) as run:
        state = run.load_state()
        assert state is not None and state["step"] == 4


def test_the_clock_does_not_matter(path: Path) -> None:
    for file in path.rglob("*"):
        os.utime(file, (0, 0))
    with RunDirectory.open(path) as run:
        assert run.notice == ""
        step(run, 5)
        for file in path.rglob("*.json"):
            os.utime(file, (2**33, 2**33))
        step(run, 6)
    with RunDirectory.open(path) as run:
        assert run.notice == ""


def test_a_changed_number_in_the_state_is_noticed(path: Path) -> None:
    values = json.loads((path / "state.json").read_text())
    values["metrics"]["size"] = -5
    (path / "state.json").write_text(json.dumps(values))
    with RunDirectory.open(path) as run:
        assert "its content does not fit its checksum" in run.notice
