"""The seam of advantage estimators: from the rewards of an update's groups to one advantage per completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from visplay.interfaces.component import Chosen, Component


@dataclass(frozen=True, slots=True)
class GroupRewards:
    """The rewards of the completions of one prompt.

    Example: `GroupRewards((1.0, 0.0, 0.0, 1.0))`.

    Attributes:
        rewards: one per completion.
        baseline: mean and standard deviation of recent rewards; an estimator may compare a group of equal rewards with
            it. None where there is none, and then such a group has advantage 0.
    """

    rewards: tuple[float, ...]
    baseline: tuple[float, float] | None = None


class AdvantageEstimator(Component, seam="advantages"):
    """Turns the rewards of all groups of an update into advantages."""

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        """One advantage per completion, group by group, in order.

        Args:
            groups: all groups of one optimizer update; each holds at least two rewards.
        """
        raise NotImplementedError


AnyAdvantageEstimator = Annotated[AdvantageEstimator, Chosen("advantages")]
