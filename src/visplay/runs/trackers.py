"""Logs a run's metrics to TensorBoard, Weights & Biases or Trackio as well, by Accelerate's trackers.

No step is logged twice. TensorBoard's events are rewritten from metrics.jsonl whenever a run is opened. The other two
services store their data themselves, so tracked.json has the last step that was logged to them. A step that a run
repeats after an interruption has the same values and is skipped. docs/metrics.md lists names and steps.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.tracking import GeneralTracker, TensorBoardTracker, TrackioTracker, WandBTracker
from rich.console import Console

from visplay.config import Settings
from visplay.errors import ConfigError
from visplay.runs.directory import RunDirectory
from visplay.runs.files import read_json, write_json
from visplay.runs.metrics import FRAME, flatten, read_metrics

_PROJECT = "visplay"
_TRACKED = "tracked.json"


def check_trackers(settings: Settings) -> None:
    """Check that the trackers of the settings are installed, except TensorBoard, which is optional.

    Raises:
        ConfigError: a package is missing.
    """
    for name in settings.trackers:
        if name != "tensorboard" and find_spec(name) is None:
            raise ConfigError(f"trackers: {name} is not installed; pip install 'visplay[{name}]', or leave it out")


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a metrics line by name, such as `silver/types/open` and `reasoner/seconds`.

    Booleans are 0 and 1; lists, strings and None are left out.
    """
    values = {**{key: value for key, value in line.items() if key not in FRAME}, **line["time"]}
    return {
        f"{line['phase']}/{name}": float(value) for name, value in flatten(values) if isinstance(value, (int, float))
    }


class Trackers:
    """The trackers of a run's settings. A tracker that fails after its start is dropped, and the run continues.

    Args:
        console: gets one line for each tracker that is dropped.
    Raises:
        ConfigError: a tracker cannot be started.
    """

    def __init__(self, run: RunDirectory, console: Console) -> None:
        PartialState()  # Accelerate's trackers need it to find the main process
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
                self._local.append(_tensorboard(run.path, lines))

    def log(self, line: Mapping[str, Any]) -> None:
        """Log a metrics line; its step is its line number in the run, from 1."""
        self._step += 1
        self._log_to(self._local, line)
        if self._services:
            known = read_json(self._path / _TRACKED)
            if self._step > known["told"]:
                self._log_to(self._services, line)
                write_json(self._path / _TRACKED, {**known, "told": self._step})

    def _log_to(self, trackers: list[GeneralTracker], line: Mapping[str, Any]) -> None:
        for tracker in list(trackers):
            try:
                tracker.log(scalars(line), step=self._step)
            except Exception as error:  # no error of a service may stop the run
                trackers.remove(tracker)
                self._console.print(f"{tracker.name} is left out from here on: {' '.join(str(error).split())}")

    def close(self) -> None:
        """Flush and close all trackers."""
        for tracker in (*self._local, *self._services):
            tracker.finish()
        self._local, self._services = [], []


def _tensorboard(run: Path, lines: Sequence[Mapping[str, Any]]) -> GeneralTracker:
    """A TensorBoard tracker with new events for all lines so far."""
    shutil.rmtree(run / "tensorboard", ignore_errors=True)
    tracker = TensorBoardTracker("tensorboard", logging_dir=str(run))
    tracker.start()
    for step, line in enumerate(lines, 1):
        tracker.log(scalars(line), step=step)
    return tracker


def _start(name: str, run: RunDirectory) -> GeneralTracker:
    """A Weights & Biases or Trackio tracker, which continues the same run on the service after a resume."""
    known = _identity(run.path)
    try:
        if name == "wandb":
            # Its files belong in the run directory, not in the working directory.
            tracker = WandBTracker(_PROJECT, id=known, name=run.path.name, resume="allow", dir=str(run.path))
        else:
            tracker = TrackioTracker(_PROJECT, name=f"{run.path.name}-{known}", resume="allow")
        tracker.start()
        tracker.store_init_configuration(json.loads(run.settings.model_dump_json()))
    except Exception as error:  # a missing key, no network, …: each service has its own error classes
        raise ConfigError(f"trackers: {name} cannot be started: {' '.join(str(error).split())}") from None
    return tracker


def _identity(run: Path) -> str:
    """The id of the run on a service; the same after a resume."""
    file = run / _TRACKED
    if not file.exists():
        write_json(file, {"id": secrets.token_hex(4), "told": 0})
    return str(read_json(file)["id"])
