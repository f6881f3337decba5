"""What TensorBoard is told: read back from its own event files."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from visplay.config import Settings
from visplay.errors import ConfigError, RunError
from visplay.runs import RunDirectory, read_metrics
from visplay.runs.trackers import Trackers, check_trackers, scalars
from visplay.selfplay.logger import RunLogger
from visplay.types import StepId


def told(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by name, of all event files together."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}


def learn(run: RunDirectory, *rewards: float, state: bool = True) -> None:
    """Steps of the Reasoner that earn `rewards`, as a run's loop takes them."""
    trackers = Trackers(run, Console(quiet=True))
    logger = RunLogger(run, run.settings, Console(quiet=True), trackers=trackers)
    for step, reward in enumerate(rewards):
        with logger.step(StepId(1, "reasoner", step)) as record:
            record["reward"] = reward
        if state:
            run.save_state({"step": step})
    trackers.close()


def test_numbers_have_names_that_say_their_phase() -> None:
    line = {"phase": "silver", "iteration": 2, "step": 0, "kept": 5, "types": {"open": 3, "numerical": 2}}
    line |= {"mean_confidence": None, "confidence_histogram": [1, 2], "accepted": True, "time": {"seconds": 1.5}}
    assert scalars(line) == {
        "silver/kept": 5.0,
        "silver/types/open": 3.0,
        "silver/types/numerical": 2.0,
        "silver/accepted": 1.0,
        "silver/seconds": 1.5,
    }


def test_tensorboard_reads_each_step_as_it_was_measured(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Settings()) as run:
        learn(run, 0.25, 0.5)
    found = told(tmp_path / "run")
    assert found["reasoner/reward"] == [(1, 0.25), (2, 0.5)]
    assert found.keys() == {"reasoner/reward", "reasoner/seconds"}


def test_a_resumed_run_shows_no_step_twice(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with RunDirectory.create(path, Settings()) as run:
        learn(run, 0.25, 0.5)
        learn(run, 0.75, state=False)  # killed before this step was finished
    assert told(path)["reasoner/reward"] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    with RunDirectory.open(path) as run:
        learn(run, 1.0)
    assert told(path)["reasoner/reward"] == [(1, 0.25), (2, 0.5), (3, 1.0)]
    assert len(read_metrics(path / "metrics.jsonl")) == 3


def test_no_tracker_leaves_nothing_behind(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Settings(trackers=())) as run:
        learn(run, 0.25)
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_a_tracker_that_fails_is_left_out_and_the_run_goes_on(tmp_path: Path) -> None:
    said = io.StringIO()
    with RunDirectory.create(tmp_path / "run", Settings()) as run:
        trackers = Trackers(run, Console(file=said))
        for number in range(3):
            trackers.log({"phase": "reasoner", "reward": number if number != 1 else 10**400, "time": {}})
        trackers.close()
    assert said.getvalue().startswith("tensorboard is left out from here on: ")
    assert told(tmp_path / "run")["reasoner/reward"] == [(1, 0.0)]


@pytest.mark.skipif(find_spec("wandb") is not None, reason="wandb is installed here")
def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(ConfigError, match=r"wandb is not installed; pip install 'visplay\[wandb\]'"):
        check_trackers(Settings(trackers=("wandb",)))
    check_trackers(Settings())


class Service:
    """Stands for Weights & Biases, which keeps what it got after a run was interrupted."""

    steps: ClassVar[list[int]] = []
    started: ClassVar[list[str]] = []

    def __init__(self, project: str, id: str, **others: object) -> None:
        self.started.append(id)

    def start(self) -> None: ...

    def store_init_configuration(self, values: dict[str, object]) -> None: ...

    def log(self, values: dict[str, float], step: int) -> None:
        self.steps.append(step)

    def finish(self) -> None: ...


def test_a_service_gets_each_step_once_under_one_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visplay.runs.trackers.WandBTracker", Service)
    path = tmp_path / "run"
    with RunDirectory.create(path, Settings(trackers=("tensorboard", "wandb"))) as run:
        learn(run, 0.25, 0.5)
        learn(run, 0.75, state=False)  # killed before this step was finished
    with RunDirectory.open(path) as run:
        learn(run, 0.75, 1.0)
    assert Service.steps == [1, 2, 3, 4] and len(set(Service.started)) == 1
    assert told(path)["reasoner/reward"] == [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)]


@pytest.mark.parametrize("method", ["start", "log", "finish"])
def test_a_full_disk_costs_tensorboard_and_not_the_run(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*values: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"visplay.runs.trackers.TensorBoardTracker.{method}", full)
    said = io.StringIO()
    with RunDirectory.create(tmp_path / "run", Settings()) as run:
        trackers = Trackers(run, Console(file=said, width=200))
        trackers.log({"phase": "reasoner", "reward": 1.0, "time": {}})
        trackers.log({"phase": "reasoner", "reward": 1.0, "time": {}})
        trackers.close()
    assert said.getvalue() == "tensorboard is left out from here on: [Errno 28] No space left on device\n"


def test_a_damaged_record_of_the_services_is_one_line(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", Settings()) as run:
        (run.path / "tracked.json").write_text('{"id": 3}')
        with pytest.raises(RunError, match=r"tracked\.json is damaged; delete it"):
            Trackers(run, Console(quiet=True))
