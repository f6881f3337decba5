"""What a run tells while it goes: a line of metrics a step, and where it stands on the terminal."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from visplay.config import Settings
from visplay.evaluation.results import Measurement
from visplay.runs import RunDirectory
from visplay.runs.trackers import Trackers
from visplay.selfplay.schedule import Schedule, StepId

_SHOWN = (
    *("reward", "confidence", "valid", "kl", "entropy", "kept", "asked", "label_accuracy", "answerable"),
    *("accepted", "validation_accuracy"),
)


class RunLogger:
    """Records steps in the run's metrics and shows them: one live line on a terminal, plain lines elsewhere.

    Args:
        title: begins every line, such as the name of a control.
        trackers: who else is told the metrics.
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
        self._schedule = Schedule(settings)
        self._spent: dict[str, list[float]] = {phase: [] for phase in self._schedule.plan}
        self._status = console.status("") if console.is_terminal else None

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
            self._trackers.tell(line)
        # On a terminal the live line is enough for single steps; elsewhere one line in ten keeps a log short.
        count = self._schedule.plan[phase]
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
        if self._status is not None:
            self._status.stop()

    def _place(self, phase: str, iteration: int, step: int) -> str:
        place = f"iteration {iteration}/{self._schedule.iterations} {phase} {step + 1}/{self._schedule.plan[phase]}"
        seconds = self._schedule.seconds_left(self._spent, StepId(iteration, phase, step))
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
