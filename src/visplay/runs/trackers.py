"""Logs a run's metrics to TensorBoard, Weights & Biases or Trackio as well, by Accelerate's trackers.

No step is logged twice. TensorBoard's events are rewritten from metrics.jsonl whenever a run is opened. tracked.json
has the last step that the other two services got. A step that a run repeats after an interruption has the same values
and is skipped. docs/metrics.md lists names and steps.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from accelerate import PartialState
from accelerate.tracking import GeneralTracker, TensorBoardTracker, TrackioTracker, WandBTracker
from rich.console import Console

from visplay.config import Settings
from visplay.errors import ConfigError, RunError, one_line
from visplay.runs.directory import RunDirectory
from visplay.runs.files import read_json, write_json
from visplay.runs.metrics import FRAME, flatten, read_metrics

_PROJECT = "visplay"


def check_trackers(settings: Settings) -> None:
    """Check that the trackers of the settings are installed; TensorBoard always is.

    Raises:
        ConfigError: a package is missing.
    """
    for name in settings.trackers:
        if name != "tensorboard" and find_spec(name) is None:
            raise ConfigError(f"trackers: {name} is not installed; pip install 'visplay[{name}]', or leave it out")


_print_error = threading.excepthook


def _unless_tensorboard(error: threading.ExceptHookArgs) -> None:
    """The writing thread of TensorBoard keeps its error for the next call of `log`; Python would print it as well."""
    if not type(error.thread).__module__.startswith("tensorboard."):
        _print_error(error)


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a metrics line by name, such as `silver/types/open`; booleans are 0 and 1."""
    values = {**{key: value for key, value in line.items() if key not in FRAME}, **line["time"]}
    return {
        f"{line['phase']}/{name}": float(value) for name, value in flatten(values) if isinstance(value, (int, float))
    }


class Trackers:
    """The trackers of a run's settings. The run continues without a tracker that fails later, and `console` says so.

    Raises:
        ConfigError: a tracker cannot be started.
    """

    def __init__(self, run: RunDirectory, console: Console) -> None:
        PartialState()  # Accelerate's trackers need it to find the main process
        self._console = console
        self._file = run.path / "tracked.json"
        new: dict[str, Any] = {"id": secrets.token_hex(4), "told": 0}
        self._tracked = self._read() if self._file.exists() else new
        self._trackers: dict[str, GeneralTracker] = {}
        for name in run.settings.trackers:
            try:
                self._trackers[name] = self._start(name, run)
            except OSError as error:
                self._leave_out(name, error)
        self._step = 0
        for line in read_metrics(run.path / "metrics.jsonl"):
            self.log(line)

    def _start(self, name: str, run: RunDirectory) -> GeneralTracker:
        """A tracker that continues the same run after a resume."""
        known = self._tracked["id"]
        try:
            if name == "tensorboard":
                threading.excepthook = _unless_tensorboard
                shutil.rmtree(run.path / name, ignore_errors=True)
                tracker = TensorBoardTracker(name, logging_dir=str(run.path))
            elif name == "wandb":
                # Its files belong in the run directory, not in the working directory.
                tracker = WandBTracker(_PROJECT, id=known, name=run.path.name, resume="allow", dir=str(run.path))
            else:
                tracker = TrackioTracker(_PROJECT, name=f"{run.path.name}-{known}", resume="allow")
            tracker.start()
            if name != "tensorboard":
                tracker.store_init_configuration(json.loads(run.settings.model_dump_json()))
                write_json(self._file, self._tracked)
        except Exception as error:  # a missing key, no network, …: each service has its own error classes
            if name == "tensorboard" and isinstance(error, OSError):
                raise
            raise ConfigError(f"trackers: {name} cannot be started: {one_line(error)}") from None
        return tracker

    def log(self, line: Mapping[str, Any]) -> None:
        """Log a metrics line; its step is its line number in the run, from 1."""
        self._step += 1
        new = self._step > self._tracked["told"]
        for name, tracker in list(self._trackers.items()):
            if not new and name != "tensorboard":
                continue
            try:
                tracker.log(scalars(line), step=self._step)
            except Exception as error:  # no error of a service may stop the run
                del self._trackers[name]
                self._leave_out(name, error)
        if new and self._trackers.keys() - {"tensorboard"}:
            self._tracked["told"] = self._step
            write_json(self._file, self._tracked)

    def close(self) -> None:
        """Flush and close all trackers."""
        for name, tracker in self._trackers.items():
            try:
                tracker.finish()
            except Exception as error:
                self._leave_out(name, error)
        self._trackers = {}

    def _read(self) -> dict[str, Any]:
        tracked = read_json(self._file)
        if not isinstance(tracked.get("id"), str) or not isinstance(tracked.get("told"), int):
            raise RunError(f"{self._file} is damaged; delete it, and the trackers begin another run")
        return tracked

    def _leave_out(self, name: str, error: Exception) -> None:
        self._console.print(f"{name} is left out from here on: {one_line(error)}", markup=False)
