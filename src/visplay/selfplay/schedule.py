"""How far a run is and how long it still takes: the steps that are planned, and the mean time of each phase so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from visplay.config import Settings


class StepId(NamedTuple):
    """A step of a run; iteration 0 is what is done about the base, `step` counts from 0."""

    iteration: int
    phase: str
    step: int


class Schedule:
    """The steps of a run in their order, from its settings alone.

    Attributes:
        iterations: T.
        plan: how many steps each phase has in an iteration.
        base_plan: the same for what is done about the base before the first.
    """

    def __init__(self, settings: Settings) -> None:
        self.iterations = settings.iterations
        measured, judged = (
            int(bool(settings.evaluation.suites)),
            int(settings.acceptance.images > 0 or settings.acceptance.validation_set is not None),
        )
        self.base_plan = {"measure": int(settings.evaluation.before) * measured, "accept": judged}
        self.plan = {
            "questioner": settings.questioner.steps,
            "silver": 1,
            "reasoner": settings.reasoner.steps,
            "measure": measured,
            "accept": judged,
        }

    def steps_after(self, place: StepId) -> dict[str, int]:
        """How many steps of each phase follow a step."""
        iteration, phase, step = place
        order = list(self.plan)
        whole = self.iterations - iteration
        if not iteration:
            rest = {name: count for name, count in self.base_plan.items() if order.index(name) > order.index(phase)}
            return {name: count * whole + rest.get(name, 0) for name, count in self.plan.items()}
        later = {name: whole + (order.index(name) > order.index(phase)) for name in order}
        rest = {phase: max(0, self.plan[phase] - step - 1)}
        return {name: count * later[name] + rest.get(name, 0) for name, count in self.plan.items()}

    def total(self) -> int:
        """All steps of the run."""
        return sum(self.base_plan.values()) + self.iterations * sum(self.plan.values())

    def next(self, last: StepId | None, taught: bool = True) -> StepId | None:
        """The step after `last`, the first one of the run for None; None after its end.

        Args:
            taught: there is a silver set to learn from; without one the Reasoner's phase falls away.
        """
        iteration, phase, step = last or StepId(0, "", -1)
        plan = self.plan if iteration else self.base_plan
        if step + 1 < plan.get(phase, 0):
            return StepId(iteration, phase, step + 1)
        order = list(plan)
        for name in order[order.index(phase) + 1 if phase in plan else 0 :]:
            if plan[name] and (taught or name != "reasoner"):
                return StepId(iteration, name, 0)
        for name, count in self.plan.items():
            if count and iteration < self.iterations:
                return StepId(iteration + 1, name, 0)
        return None

    def seconds_left(self, spent: Mapping[str, Sequence[float]], last: StepId) -> float | None:
        """Time that the steps after `last` take, if each takes the mean of its phase so far; None until every phase
        was seen once.

        Args:
            spent: seconds of the finished steps by phase.
        """
        ahead = {phase: count for phase, count in self.steps_after(last).items() if self.plan[phase]}
        if not all(spent.get(phase) for phase in ahead):
            return None
        return sum(fmean(spent[phase]) * count for phase, count in ahead.items() if count)
