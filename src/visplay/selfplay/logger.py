"""The log of a run: a line of metrics for each step, and the progress on the terminal."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Self

from rich.console import Console

from visplay.config import Settings
from visplay.runs import RunDirectory
from visplay.runs.files import write_json
from visplay.runs.trackers import Trackers
from visplay.selfplay.schedule import INPUTS_FILE, InputCounts, Schedule
from visplay.types import StepId

_SHOWN = (
    *("reward", "confidence", "valid", "kl", "entropy", "kept", "asked", "label_accuracy", "answerable"),
    *("reward_accuracy", "accepted", "validation_accuracy"),
)


class RunLogger:
    """Records steps in the run's metrics and shows them: one live line on a terminal, plain lines elsewhere.

    Use it as a context manager: the live line hides the cursor, and the end of the block shows it again.

    Args:
        title: begins every line, such as the name of a control.
        trackers: who else gets the metrics.

    Attributes:
        schedule: the planned steps; a guess from the settings until `begin`.
        at: the step that began last; None before the first.
    """

    def __init__(
        self, run: RunDirectory, settings: Settings, console: Console, title: str = "", trackers: Trackers | None = None
    ) -> None:
        self.run = run
        self.schedule = Schedule(settings)
        self.at: StepId | None = None
        self._reduced: Callable[[], dict[str, int]] = dict
        self._told: dict[str, int] = {}
        self._settings = settings
        self._console = console
        self._title = title
        self._trackers = trackers
        self._spent: defaultdict[str, list[float]] = defaultdict(list)
        self._status = console.status("") if console.is_terminal else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def begin(self, inputs: InputCounts, reduced: Callable[[], dict[str, int]] = dict) -> None:
        """Plan the steps by what the run has to look at, and write it down for those who look at the run.

        `reduced` gives the settings that memory has reduced since then, which are told after the step and kept.
        """
        self._reduced = reduced
        self.schedule = Schedule(self._settings, inputs)
        write_json(self.run.path / INPUTS_FILE, asdict(inputs))

    def warn(self, text: str) -> None:
        """Show a text, which may quote a model; it is no part of the metrics."""
        lines = f"{self._title} {text}" if self._title else text
        self._console.print(lines, highlight=False, markup=False)

    @contextmanager
    def step(self, at: StepId) -> Iterator[dict[str, Any]]:
        """Time a step; what the body puts into the mapping becomes its line of metrics."""
        if self._status is not None:
            self._status.update(self._place(at))
            self._status.start()
        self.at = at
        begun = time.monotonic()
        values: dict[str, Any] = {}
        yield values
        seconds = time.monotonic() - begun
        self._spent[at.phase].append(seconds)
        self._tell_reduced(at, values)
        line = self.run.metrics.append(at.phase, at.iteration, at.step, values, {"seconds": seconds})
        if self._trackers is not None:
            self._trackers.log(line)
        # On a terminal the live line is enough for single steps; elsewhere one line in ten keeps a log short.
        number, count = at.step + 1, self.schedule.steps(at.phase, at.iteration)
        if number == count or (self._status is None and number % 10 == 0):
            self._console.print(f"{self._place(at)}  {_brief(values)}", highlight=False)

    def _tell_reduced(self, at: StepId, values: dict[str, Any]) -> None:
        """Make sizes that memory has reduced the settings of the run, and a part of the step's metrics."""
        reduced = self._reduced()
        if reduced:
            values["reduced"] = reduced
        if reduced != self._told:
            self._told = reduced
            changes = self.run.change_settings(reduced, "out of memory", at)
            self._console.print(
                f"{self._place(at)}  out of memory; from now on {changes}", highlight=False, markup=False
            )

    def _place(self, at: StepId) -> str:
        count = self.schedule.steps(at.phase, at.iteration)
        place = f"iteration {at.iteration}/{self.schedule.iterations} {at.phase} {at.step + 1}/{count}"
        seconds = self.schedule.seconds_left(self._spent, at)
        left = "" if seconds is None else f"({seconds / 60:.0f} min left)"
        return " ".join(part for part in (self._title, place, left) if part)


def _brief(values: dict[str, Any]) -> str:
    shown = {key: values[key] for key in _SHOWN if values.get(key) is not None}
    shown |= {key: value for key, value in values.items() if key.startswith("greedy/easy_vqa")}
    return ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
