"""Tracks the finished steps of a run, and writes checkpoints of its weights.

State and checkpoints are consistent at every moment. A checkpoint is written under a new name, then the state that
names it, and only then are checkpoints removed that no state names. A checkpoint has a manifest of its files.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from visplay.errors import RunError
from visplay.runs.directory import RunDirectory
from visplay.runs.manifest import check_folder
from visplay.types import StepId


class Weights(Protocol):
    """The content of a checkpoint. `version` changes whenever `save` would write other content."""

    @property
    def version(self) -> Hashable: ...

    def save(self, folder: Path) -> None: ...

    def restore(self, folder: Path) -> None: ...


class StatePart(Protocol):
    """A part of a run whose JSON values are saved in the run's state."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any], /) -> None: ...


@dataclass
class Checkpointer:
    """Yields the unfinished steps of a run, and saves state and weights after finished steps.

    After a step without a change of weights, the state names the earlier checkpoint. The disk has the checkpoint of the
    last saved step, the one before, and the pinned checkpoints of both.

    Attributes:
        phases: names of all phases, in their order within an iteration.
        weights: roles, optimizers and everything that is rolled back with them.
        parts: other parts of the state, by name.
        every: save after every `every`-th step of a phase, and after its last step.
        back_to: resume with the weights of the checkpoint that is pinned under this name, or with those of the
            beginning if none is; None: with those of the last step.
    """

    run: RunDirectory
    phases: Sequence[str]
    weights: Weights
    parts: Mapping[str, StatePart]
    every: int = 1
    back_to: str | None = None

    def __post_init__(self) -> None:
        self._begun = time.monotonic()
        self._finished = (-1, 0, 0)
        self._current = ""  # the checkpoint of the weights of `_version`; empty before the first
        self._version: Hashable = None
        self._pinned: dict[str, str] = {}
        self._to_pin: set[str] = set()
        if (saved := self.run.load_state()) is not None:
            self._resume(saved)

    @property
    def seconds(self) -> float:
        """Seconds spent on the run, including the time before a resume up to the last saved step."""
        return time.monotonic() - self._begun

    def steps(self, iteration: int, phase: str, count: int) -> Iterator[StepId]:
        """The unfinished steps of a phase with `count` steps; a step is finished when the loop's body ends."""
        for number in range(count):
            step = StepId(iteration, phase, number)
            if self._key(step) <= self._finished:
                continue
            yield step
            if (number + 1) % self.every == 0 or number + 1 == count:
                self._save(step)

    def pin(self, name: str) -> None:
        """Keep the checkpoint of the current step under a name, until a later step pins the same name."""
        self._to_pin.add(name)

    def pin_start(self, name: str) -> None:
        """Keep the checkpoint of the weights before the current step under a name, or nothing before the first."""
        if self._current:
            self._pinned[name] = self._current
        else:
            self._pinned.pop(name, None)

    def has_pinned(self, name: str) -> bool:
        """Whether a checkpoint is kept under the name."""
        return name in self._pinned

    def pinned(self, name: str) -> Path:
        """The folder of a pinned checkpoint, undamaged; it exists once the step that pinned it is finished."""
        folder = self._folder(self._pinned[name])
        check_folder(folder)
        return folder

    def go_back(self, name: str) -> None:
        """Restore the weights of a pinned checkpoint; RunError if it is damaged."""
        check_folder(self._folder(self._pinned[name]))
        self._restore(self._pinned[name])

    def _resume(self, saved: Mapping[str, Any]) -> None:
        try:
            self._finished = self._key(StepId(saved["iteration"], saved["phase"], saved["step"]))
            self._begun -= saved["seconds"]
            self._pinned = dict(saved["pinned"])
            parts = [(part, saved["parts"][name]) for name, part in self.parts.items()]
        except (KeyError, TypeError, ValueError):
            raise RunError(f"{self.run.path} was written by another version of visplay; start a new run") from None
        for part, state in parts:
            part.restore(state)
        # Leftovers of a process that was killed between a checkpoint and its state, or before the removal.
        self.run.discard(keep=[saved["checkpoint"], *self._pinned.values()])
        checkpoint = saved["checkpoint"] if self.back_to is None else self._pinned.get(self.back_to)
        if checkpoint is not None:
            self._restore(checkpoint)

    def _restore(self, checkpoint: str) -> None:
        self.weights.restore(self._folder(checkpoint))
        self._current, self._version = checkpoint, self.weights.version

    def _save(self, step: StepId) -> None:
        if not self._current or self.weights.version != self._version:
            name = f"{step.iteration}-{step.phase}-{step.step}"
            with self.run.new_folder(f"checkpoints/{name}") as folder:
                self.weights.save(folder)
            self._current, self._version = name, self.weights.version
        pinned = self._pinned | dict.fromkeys(self._to_pin, self._current)
        parts = {name: part.state() for name, part in self.parts.items()}
        names = {"checkpoint": self._current, "pinned": pinned}
        self.run.save_state({**step._asdict(), "seconds": self.seconds, **names, "parts": parts})
        self._pinned, self._to_pin = pinned, set()
        self.run.discard(keep=[self._current, *pinned.values()])

    def _folder(self, checkpoint: str) -> Path:
        return self.run.path / "checkpoints" / checkpoint

    def _key(self, step: StepId) -> tuple[int, int, int]:
        return step.iteration, self.phases.index(step.phase), step.step
