"""The phases of an iteration in one list, and what follows from it: the planned steps and the time they take.

To add a phase, add an entry to `PHASES` and a function of its name to `phases.py`. The loop, the checkpoints, the time
left, the terminal and the page read this list and nothing else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from visplay.config import Settings
from visplay.types import StepId

INPUTS_FILE = "inputs.json"  # in the run directory: the `InputCounts`, written when they are known


@dataclass(frozen=True, slots=True)
class InputCounts:
    """The numbers of a run's inputs. With the settings they decide which phases have steps.

    Attributes:
        images: unlabeled images that train.
        held_out: unlabeled images that acceptance judges by; fewer than five images hold none out.
        validation_items: the user's labelled items that acceptance judges by.
        suites: labelled suites that are measured.
    """

    images: int
    held_out: int
    validation_items: int
    suites: int


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of every iteration.

    Attributes:
        name: as in metrics.jsonl, in request ids and in the names of checkpoints.
        doing: what happens in it, in words; a sentence of the page goes on with it.
        function: the name of its function in `phases.py`, which takes a `PhaseContext` and a `StepId`.
        steps: how many steps it has, from the settings, the inputs and the iteration (0: before the first).
        trains: it changes weights, so that its figures are drawn as curves.
        needs_silver: it has no steps in an iteration whose silver set is empty.
        on_request: most runs do without it, so the page says nothing of it where it did not run.
    """

    name: str
    doing: str
    function: str
    steps: Callable[[Settings, InputCounts, int], int]
    trains: bool = False
    needs_silver: bool = False
    on_request: bool = False


PHASES: tuple[Phase, ...] = (
    Phase(
        "augmentations",
        "augmentations are chosen",
        "choose_augmentations",
        lambda settings, inputs, t: int(t == 0 and settings.silver.choose_augmentations is not None),
        on_request=True,
    ),
    Phase(
        "questioner",
        "the Questioner learns",
        "train_questioner",
        lambda settings, inputs, t: settings.questioner.steps if t else 0,
        trains=True,
    ),
    Phase("silver", "the silver set is made", "make_silver_set", lambda settings, inputs, t: int(t > 0)),
    Phase(
        "reasoner",
        "the Reasoner learns",
        "train_reasoner",
        lambda settings, inputs, t: settings.reasoner.steps if t else 0,
        trains=True,
        needs_silver=True,
    ),
    Phase(
        "measure",
        "suites are measured",
        "measure_reasoner",
        lambda settings, inputs, t: int(inputs.suites > 0 and (t > 0 or settings.evaluation.before)),
    ),
    Phase(
        "accept",
        "acceptance judges",
        "accept_or_roll_back",
        lambda settings, inputs, t: int(inputs.held_out + inputs.validation_items > 0),
    ),
)


def phases() -> tuple[Phase, ...]:
    """All phases in the order of an iteration."""
    return PHASES


def phase_order(name: str) -> int:
    """The place of a phase in an iteration, from 0; after all others for a name that is no phase."""
    return next((place for place, phase in enumerate(PHASES) if phase.name == name), len(PHASES))


class Schedule:
    """The planned steps of a run in their order; without `inputs`, by a guess from the settings alone."""

    def __init__(self, settings: Settings, inputs: InputCounts | None = None) -> None:
        self.iterations = settings.iterations
        self._settings = settings
        wanted, suites = settings.acceptance, len(settings.evaluation.suites)
        self._inputs = inputs or InputCounts(0, wanted.images, int(wanted.validation_set is not None), suites)
        self._planned = [
            StepId(iteration, phase.name, step)
            for iteration in range(self.iterations + 1)
            for phase in PHASES
            for step in range(self.steps(phase.name, iteration))
        ]

    def steps(self, phase: str, iteration: int) -> int:
        """How many steps a phase has in an iteration, 0 being what is done with the base."""
        planned = next(one for one in PHASES if one.name == phase)
        return planned.steps(self._settings, self._inputs, iteration)

    def total(self) -> int:
        """The number of all planned steps."""
        return len(self._planned)

    def next(self, last: StepId | None, has_silver: bool = True) -> StepId | None:
        """The step after `last`, or the first step of the run for None; None after the end.

        Without a silver set, phases of the iteration of `last` that need one are left out.
        """
        skipped = set() if has_silver or last is None else {phase.name for phase in PHASES if phase.needs_silver}
        for step in self._after(last):
            if last is None or step.iteration != last.iteration or step.phase not in skipped:
                return step
        return None

    def seconds_left(self, spent: Mapping[str, Sequence[float]], last: StepId) -> float | None:
        """Seconds that the steps after `last` take if each takes the mean of its phase so far, by `spent`.

        None until every planned phase has finished a step.
        """
        if not all(spent.get(step.phase) for step in self._planned):
            return None
        ahead = Counter(step.phase for step in self._after(last))
        return sum(fmean(spent[phase]) * count for phase, count in ahead.items())

    def _after(self, last: StepId | None) -> Sequence[StepId]:
        return self._planned[bisect_right(self._planned, _order(last), key=_order) if last else 0 :]


def _order(step: StepId) -> tuple[int, int, int]:
    return step.iteration, phase_order(step.phase), step.step
