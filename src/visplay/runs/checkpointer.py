"""Which steps of a run are finished, and the checkpoint that holds its weights after the last of them.

State and checkpoints agree at every moment: a checkpoint is written under a new name, then the state that names it,
then the checkpoints that no state names any more are removed.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from visplay.runs.directory import RunDirectory
from visplay.types import StepId


class Weights(Protocol):
    """What a checkpoint holds. `version` changes whenever `save` would write something else."""

    @property
    def version(self) -> Hashable: ...

    def save(self, folder: Path) -> None: ...

    def restore(self, folder: Path) -> None: ...


class Remembered(Protocol):
    """A small part of a run that is kept in its state, as JSON values."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any], /) -> None: ...


class Checkpointer:
    """Hands out the steps that are not finished yet, and remembers each finished one with its weights.

    A step that changed no weights writes no checkpoint: its state names the earlier one. On disk are the checkpoint of
    the last remembered step and those that are pinned.

    Args:
        phases: the names of all phases in the order of an iteration.
        weights: roles, optimizers and what else is rolled back with them.
        parts: what else is remembered, by name.
        every: remember every so many steps of a phase, and always its last.
    """

    def __init__(
        self,
        run: RunDirectory,
        phases: Sequence[str],
        weights: Weights,
        parts: Mapping[str, Remembered],
        every: int = 1,
    ) -> None:
        self._run = run
        self._phases = phases
        self._weights = weights
        self._parts = parts
        self._every = every
        self._begun = time.monotonic()
        self._seconds_before = 0.0
        self._finished = (-1, 0, 0)
        self._current: str | None = None
        self._version: Hashable = None
        self._pinned: dict[str, str] = {}
        self._to_pin: set[str] = set()
        saved = run.load_state()
        if saved is not None:
            self._resume(saved)

    @property
    def seconds(self) -> float:
        """Time spent on the run, including the time before it was resumed, up to the last remembered step."""
        return self._seconds_before + time.monotonic() - self._begun

    def steps(self, iteration: int, phase: str, count: int) -> Iterator[StepId]:
        """The steps 0..count-1 of a phase that are not finished; a step is finished when its body ends."""
        for number in range(count):
            step = StepId(iteration, phase, number)
            if self._key(step) <= self._finished:
                continue
            yield step
            if (number + 1) % self._every == 0 or number + 1 == count:
                self._remember(step)

    def pin(self, name: str) -> None:
        """Keep the weights of the step under way under a name, until the name is given to those of a later step."""
        self._to_pin.add(name)

    def pinned(self, name: str) -> Path:
        """The folder of a pinned checkpoint, once the step that pinned it is finished."""
        return self._folder(self._pinned[name])

    def go_back(self, name: str) -> None:
        """Restore the weights that were pinned under a name."""
        self._restore(self._pinned[name])

    def _resume(self, saved: Mapping[str, Any]) -> None:
        self._finished = self._key(StepId(saved["iteration"], saved["phase"], saved["step"]))
        self._seconds_before = saved["seconds"]
        self._pinned = dict(saved["pinned"])
        for name, part in self._parts.items():
            part.restore(saved["parts"][name])
        # Killed before the last removal, or between a checkpoint and the state that was to name it.
        self._run.discard(keep=[saved["checkpoint"], *self._pinned.values()])
        self._restore(saved["checkpoint"])

    def _restore(self, checkpoint: str) -> None:
        self._weights.restore(self._folder(checkpoint))
        self._current, self._version = checkpoint, self._weights.version

    def _remember(self, step: StepId) -> None:
        checkpoint = self._checkpoint_of(step)
        pinned = self._pinned | dict.fromkeys(self._to_pin, checkpoint)
        self._run.save_state(
            {
                **step._asdict(),
                "seconds": self.seconds,
                "checkpoint": checkpoint,
                "pinned": pinned,
                "parts": {name: part.state() for name, part in self._parts.items()},
            }
        )
        self._pinned, self._to_pin = pinned, set()
        self._run.discard(keep=[checkpoint, *pinned.values()])

    def _checkpoint_of(self, step: StepId) -> str:
        """The name of the checkpoint that holds the weights as they are; it is written if there is none."""
        if self._current is None or self._weights.version != self._version:
            name = f"{step.iteration}-{step.phase}-{step.step}"
            with self._run.checkpoint(name) as folder:
                self._weights.save(folder)
            self._current, self._version = name, self._weights.version
        return self._current

    def _folder(self, checkpoint: str) -> Path:
        return self._run.path / "checkpoints" / checkpoint

    def _key(self, step: StepId) -> tuple[int, int, int]:
        return step.iteration, self._phases.index(step.phase), step.step
