"""Which steps are done, and that the state never names a checkpoint that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visplay.config import Settings
from visplay.runs import RunDirectory
from visplay.runs.checkpointer import Checkpointer
from visplay.runs.saved_state import BEFORE, SavedState

PHASES = ("learn", "look", "judge")


class Weights:
    """A number that learning raises; it counts how often it is written."""

    def __init__(self) -> None:
        self.value = 0
        self.version = 0
        self.written: list[str] = []

    def learn(self) -> None:
        self.value += 1
        self.version += 1

    def save(self, folder: Path) -> None:
        self.written.append(folder.name.removeprefix(".").removesuffix(".writing"))
        (folder / "value").write_text(str(self.value))

    def restore(self, folder: Path) -> None:
        self.value = int((folder / "value").read_text())
        self.version += 1


class Count:
    """A part that remembers how many steps were done."""

    def __init__(self) -> None:
        self.steps = 0

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


class KilledError(Exception):
    """In place of a signal."""


def play(run: RunDirectory, verdicts: list[bool], every: int = 1) -> tuple[Weights, Count, list[int]]:
    """A run of two learning steps, a look and a verdict an iteration; what was rejected is rolled back."""
    weights, count = Weights(), Count()
    checkpointer = Checkpointer(run, PHASES, weights, {"count": count}, every)
    values = []
    for t, accepted in enumerate([True, *verdicts]):
        for phase, steps in (("learn", 2 if t else 0), ("look", 1), ("judge", 1)):
            for step in checkpointer.steps(t, phase, steps):
                assert step == (t, phase, step.step)
                count.steps += 1
                if phase == "learn":
                    weights.learn()
                elif phase == "judge" and accepted:
                    checkpointer.pin("accepted")
                elif phase == "judge":
                    checkpointer.go_back("accepted")
        values.append(weights.value)
    return weights, count, values


def checkpoints(run: RunDirectory) -> set[str]:
    return {folder.name for folder in (run.path / "checkpoints").iterdir()}


def test_what_changed_no_weights_writes_none(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Settings()) as run:
        weights, _, values = play(run, [True, False, True])
        assert values == [0, 2, 2, 4], "the second iteration was rolled back"
        learned = [f"{t}-learn-{step}" for t in (1, 2, 3) for step in (0, 1)]
        assert weights.written == ["0-look-0", *learned]
        state = run.load_state()
        assert state is not None and state["checkpoint"] == state["pinned"]["accepted"] == "3-learn-1"
        assert checkpoints(run) == {"3-learn-0", "3-learn-1"} | {"1-learn-1"}, "the last two, with what the first pins"


def test_after_a_rejection_the_accepted_checkpoint_is_the_current_one(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Settings()) as run:
        play(run, [True, False])
        state = run.load_state()
        assert state is not None and state["checkpoint"] == state["pinned"]["accepted"] == "1-learn-1"
        assert checkpoints(run) == {"1-learn-1", "2-learn-1"}, "the accepted one, and the one before"
    with RunDirectory.open(tmp_path / "run") as run:
        weights, count, values = play(run, [True, False])
        assert (weights.written, weights.value, count.steps, values) == ([], 2, 10, [2, 2, 2])


def test_a_pinned_checkpoint_is_found_under_its_name(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Settings()) as run:
        weights = Weights()
        checkpointer = Checkpointer(run, PHASES, weights, {})
        for t in range(4):
            for _ in checkpointer.steps(t, "learn", 1):
                weights.learn()
                if t == 1:
                    checkpointer.pin("best")
        assert (checkpointer.pinned("best") / "value").read_text() == "2"
        assert checkpoints(run) == {"1-learn-0", "2-learn-0", "3-learn-0"}


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=1, max_size=3), st.integers(1, 3), st.data())
def test_killed_at_any_moment_it_goes_on_to_the_same_end(
    tmp_path_factory: pytest.TempPathFactory, verdicts: list[bool], every: int, data: st.DataObject
) -> None:
    """Before a step, in the middle of a checkpoint, and between the checkpoint and the state that names it."""
    with RunDirectory.create(tmp_path_factory.mktemp("whole") / "run", Settings()) as run:
        whole, _, _ = play(run, verdicts, every)
    path = tmp_path_factory.mktemp("killed") / "run"
    RunDirectory.create(path, Settings()).close()
    for _ in range(data.draw(st.integers(1, 4))):
        with RunDirectory.open(path) as run, pytest.MonkeyPatch.context() as patch:
            saves, dies_at = iter(range(99)), data.draw(st.integers(0, 5))
            name = data.draw(st.sampled_from(["save_state", "discard", "new_folder"]))
            real = getattr(RunDirectory, name)

            def fails(*args: Any, real: Any = real, saves: Any = saves, dies_at: int = dies_at, **kwargs: Any) -> Any:
                if next(saves) == dies_at:
                    raise KilledError
                return real(*args, **kwargs)

            patch.setattr(RunDirectory, name, fails)
            try:
                play(run, verdicts, every)
            except KilledError:
                state = run.load_state()
                named = {state["checkpoint"], *state["pinned"].values()} if state else set()
                assert named <= (checkpoints(run) if named else set())
    with RunDirectory.open(path) as run:
        again, count, _ = play(run, verdicts, every)
        assert again.value == whole.value and count.steps == 2 + 4 * len(verdicts)
        state = run.load_state()
        before = SavedState.read(path / BEFORE).checkpoints if (path / BEFORE).exists() else set()
        assert state is not None and checkpoints(run) == {state["checkpoint"], *state["pinned"].values(), *before}
