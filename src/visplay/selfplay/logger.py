"""The log of a run: a line of metrics for each step, and the progress on the terminal."""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from rich.console import Console

from visplay.config import Settings
from visplay.evaluation.results import Measurement
from visplay.runs import RunDirectory
from visplay.runs.files import write_json
from visplay.runs.trackers import Trackers
from visplay.selfplay.schedule import INPUTS_FILE, InputCounts, Schedule
from visplay.types import StepId

_SHOWN = (
    *("reward", "confidence", "valid", "kl", "entropy", "kept", "asked", "label_accuracy", "answerable"),
    *("accepted", "validation_accuracy"),
)


class RunLogger:
    """Records steps in the run's metrics and shows them: one live line on a terminal, plain lines elsewhere.

    Use it as a context manager: the live line hides the cursor, and the end of the block shows it again.

    Args:
        title: begins every line, such as the name of a control.
        trackers: who else gets the metrics.

    Attributes:
        schedule: the planned steps; a guess from the settings until `begin`.
    """

    def __init__(
        self,
        run: RunDirectory,
        settings: Settings,
        console: Console,
        title: str = "",
        trackers: Trackers | None = None,
    ) -> None:
        self.run = run
        self.seconds = 0.0
        self._console = console
        self._title = title
        self._trackers = trackers
        self._settings = settings
        self.schedule = Schedule(settings)
        self._spent: defaultdict[str, list[float]] = defaultdict(list)
        self._status = console.status("") if console.is_terminal else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hide()

    def begin(self, inputs: InputCounts) -> None:
        """Plan the steps by what the run has to look at, and write it down for those who look at the run."""
        self.schedule = Schedule(self._settings, inputs)
        write_json(self.run.path / INPUTS_FILE, asdict(inputs))

    @contextmanager
    def step(self, phase: str, iteration: int, step: int) -> Iterator[dict[str, Any]]:
        """Time a step; what the body puts into the mapping becomes its line of metrics."""
        if self._status is not None:
            self._status.update(self._place(phase, iteration, step))
            self._status.start()
        begun = time.monotonic()
        values: dict[str, Any] = {}
        yield values
        seconds = time.monotonic() - begun
        self._spent[phase].append(seconds)
        line = self.run.metrics.append(phase, iteration, step, values, {"seconds": seconds})
        if self._trackers is not None:
            self._trackers.log(line)
        # On a terminal the live line is enough for single steps; elsewhere one line in ten keeps a log short.
        count = self.schedule.steps(phase, iteration)
        if step + 1 == count or (self._status is None and (step + 1) % 10 == 0):
            self._console.print(f"{self._place(phase, iteration, step)}  {_brief(values)}", highlight=False)

    def keep_measurement(self, iteration: int, measurement: Measurement) -> None:
        """Write the marks of every item; iteration 0 is the base."""
        self.measurement_file(iteration).parent.mkdir(exist_ok=True)
        measurement.save(self.measurement_file(iteration))

    def measurements(self) -> tuple[Measurement | None, list[Measurement]]:
        """The base's, None if it was not measured, and those of the iterations so far."""
        base = self.measurement_file(0)
        found: list[Measurement] = []
        while self.measurement_file(len(found) + 1).exists():
            found.append(Measurement.load(self.measurement_file(len(found) + 1)))
        return (Measurement.load(base) if base.exists() else None), found

    def measurement_file(self, iteration: int) -> Path:
        """Where the marks of an iteration lie."""
        return self.run.path / "measurements" / f"iteration-{iteration}.jsonl"

    def finish(self, seconds: float) -> None:
        """The run is over: stop the live line, remember how long it took."""
        self.seconds = seconds
        self._hide()

    def _hide(self) -> None:
        if self._status is not None:
            self._status.stop()

    def _place(self, phase: str, iteration: int, step: int) -> str:
        count = self.schedule.steps(phase, iteration)
        place = f"iteration {iteration}/{self.schedule.iterations} {phase} {step + 1}/{count}"
        seconds = self.schedule.seconds_left(self._spent, StepId(iteration, phase, step))
        left = "" if seconds is None else f"({seconds / 60:.0f} min left)"
        return " ".join(part for part in (self._title, place, left) if part)


def peak_memory_bytes() -> int:
    """Most memory this process held: resident on the host, or allocated on the GPU where that is more."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return max(host, torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)


def _brief(values: dict[str, Any]) -> str:
    shown = {key: values[key] for key in _SHOWN if values.get(key) is not None}
    shown |= {key: value for key, value in values.items() if key.startswith("greedy/easy_vqa")}
    parts = (f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
    return ", ".join(parts)
