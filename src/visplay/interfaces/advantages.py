"""The seam of advantage estimators: from the rewards of a step's groups to one advantage per completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visplay.interfaces.component import Component


@dataclass(frozen=True, slots=True)
class GroupRewards:
    """The rewards of the completions of one prompt, at least two, such as `GroupRewards((1.0, 0.0, 0.0, 1.0))`.

    Attributes:
        baseline: mean and standard deviation of recent rewards; an estimator may compare a group of equal rewards with
            it. Without it, such a group has advantage 0.
    """

    rewards: tuple[float, ...]
    baseline: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if len(self.rewards) < 2:
            raise ValueError(f"a group needs at least two rewards to compare, this one has {len(self.rewards)}")


class AdvantageEstimator(Component, seam="advantages"):
    """Turns the rewards of all groups of a training step into advantages."""

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        """One advantage per completion, group by group, for all groups of one training step, in order.

        A step may be several optimizer updates.
        """
        raise NotImplementedError
