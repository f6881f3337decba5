"""Which steps of a run are finished, so that a loop can be written plainly and still be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from visplay.runs.directory import RunDirectory

PHASES: tuple[str, ...] = ("questioner", "silver", "reasoner", "measure", "accept")


class Checkpointer:
    """Hands out the steps that are not finished yet, and keeps weights and state after each.

    Args:
        keep: writes weights and optimizers into a folder.
        state: JSON values to remember beside them; `restore` is given both back.
        every: checkpoint after so many steps of a phase (and always after its last).
    """

    def __init__(
        self,
        run: RunDirectory,
        keep: Callable[[Path], None],
        restore: Callable[[Path, dict[str, Any]], None],
        state: Callable[[], dict[str, Any]],
        every: int = 1,
    ) -> None:
        self._run = run
        self._keep = keep
        self._state = state
        self._every = every
        self._begun = time.monotonic()
        self._finished: tuple[int, int, int] = (-1, 0, 0)
        self._seconds_before = 0.0
        saved = run.load_state()
        if saved is not None:
            self._finished = (saved["iteration"], PHASES.index(saved["phase"]), saved["step"])
            self._seconds_before = saved["seconds"]
            restore(run.path / "checkpoints" / saved["checkpoint"], saved["parts"])

    @property
    def seconds(self) -> float:
        """Time spent on the run, earlier sittings included up to their last finished step."""
        return self._seconds_before + time.monotonic() - self._begun

    def steps(self, iteration: int, phase: str, count: int) -> Iterator[int]:
        """The steps 0..count-1 of a phase that are still to do; each is kept once its body ends."""
        for step in range(count):
            position = (iteration, PHASES.index(phase), step)
            if position <= self._finished:
                continue
            yield step
            if (step + 1) % self._every == 0 or step + 1 == count:
                self._save(iteration, phase, step)

    def _save(self, iteration: int, phase: str, step: int) -> None:
        name = f"{iteration}-{phase}-{step}"
        with self._run.checkpoint(name) as folder:
            self._keep(folder)
        self._run.save_state(
            {
                "iteration": iteration,
                "phase": phase,
                "step": step,
                "seconds": self.seconds,
                "checkpoint": name,
                "parts": self._state(),
            }
        )
        self._run.discard(keep=[name])
