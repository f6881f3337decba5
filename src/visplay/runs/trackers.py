"""A run's lines of metrics, also told to TensorBoard, Weights & Biases or Trackio, through Accelerate's trackers.

metrics.jsonl is what counts, and no step is told twice. TensorBoard's events are a copy of it, made anew whenever a run
is opened. The two others keep their own; how far they were told stands in tracked.json, and a step that an interruption
made a run do again, which gives the same figures, is passed over. Names and steps are those of docs/metrics.md.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.tracking import GeneralTracker, TensorBoardTracker, TrackioTracker, WandBTracker
from rich.console import Console

from visplay.config import Settings
from visplay.errors import ConfigError
from visplay.runs.directory import RunDirectory
from visplay.runs.metrics import FRAME, read_metrics
from visplay.runs.state import read_json, write_json

_PROJECT = "visplay"
_TRACKED = "tracked.json"


def check_trackers(settings: Settings) -> None:
    """Refuse a tracker that is not installed; without TensorBoard, the default, a run goes on.

    Raises:
        ConfigError: the package is missing.
    """
    for name in settings.trackers:
        if name != "tensorboard" and find_spec(name) is None:
            raise ConfigError(f"trackers: {name} is not installed; pip install 'visplay[{name}]', or leave it out")


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of metrics by their stable names: `silver/types/open`, `reasoner/seconds`.

    Truth values are 0 and 1; lists and what is not known are left out.
    """
    values = {**{key: value for key, value in line.items() if key not in FRAME}, **line["time"]}
    return {f"{line['phase']}/{name}": float(value) for name, value in _flat(values) if isinstance(value, (int, float))}


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{part}", one) for part, one in _flat(value))
        else:
            yield name, value


class Trackers:
    """Those of a run's settings, open until `close`; one that fails later is left out, and the run goes on.

    Args:
        console: where one line says what is left out.
    Raises:
        ConfigError: a tracker cannot be started.
    """

    def __init__(self, run: RunDirectory, console: Console) -> None:
        PartialState()  # Accelerate's trackers ask it whether this process is the one that speaks
        self._console = console
        self._path = run.path
        lines = read_metrics(run.path / "metrics.jsonl")
        self._step = len(lines)
        self._local: list[GeneralTracker] = []
        self._services = [_start(name, run) for name in run.settings.trackers if name != "tensorboard"]
        if "tensorboard" in run.settings.trackers:
            if find_spec("tensorboard") is None:
                console.print("TensorBoard is not installed, so its events are left out; pip install tensorboard")
            else:
                self._local.append(_copied(run.path, lines))

    def tell(self, line: Mapping[str, Any]) -> None:
        """Pass on a line of metrics; its step is its place in the run, from 1."""
        self._step += 1
        self._pass_on(self._local, line)
        if self._services:
            known = read_json(self._path / _TRACKED)
            if self._step > known["told"]:
                self._pass_on(self._services, line)
                write_json(self._path / _TRACKED, {**known, "told": self._step})

    def _pass_on(self, trackers: list[GeneralTracker], line: Mapping[str, Any]) -> None:
        for tracker in list(trackers):
            try:
                tracker.log(scalars(line), step=self._step)
            except Exception as error:  # whatever a service raises, it is not worth a run
                trackers.remove(tracker)
                self._console.print(f"{tracker.name} is left out from here on: {' '.join(str(error).split())}")

    def close(self) -> None:
        """Let every tracker write what it still holds."""
        for tracker in (*self._local, *self._services):
            tracker.finish()
        self._local, self._services = [], []


def _copied(run: Path, lines: Sequence[Mapping[str, Any]]) -> GeneralTracker:
    """TensorBoard, told all lines so far and nothing else."""
    shutil.rmtree(run / "tensorboard", ignore_errors=True)
    tracker = TensorBoardTracker("tensorboard", logging_dir=str(run))
    tracker.start()
    for step, line in enumerate(lines, 1):
        tracker.log(scalars(line), step=step)
    return tracker


def _start(name: str, run: RunDirectory) -> GeneralTracker:
    """Weights & Biases or Trackio, going on with the same run when this one is resumed."""
    known = _identity(run.path)
    try:
        if name == "wandb":
            # Beside the run's files, not wherever the program was started.
            tracker = WandBTracker(_PROJECT, id=known, name=run.path.name, resume="allow", dir=str(run.path))
        else:
            tracker = TrackioTracker(_PROJECT, name=f"{run.path.name}-{known}", resume="allow")
        tracker.start()
        tracker.store_init_configuration(json.loads(run.settings.model_dump_json()))
    except Exception as error:  # a missing key, no network: each service has errors of its own
        raise ConfigError(f"trackers: {name} cannot be started: {' '.join(str(error).split())}") from None
    return tracker


def _identity(run: Path) -> str:
    """What a service knows the run by, the same when it is resumed."""
    file = run / _TRACKED
    if not file.exists():
        write_json(file, {"id": secrets.token_hex(4), "told": 0})
    return str(read_json(file)["id"])
