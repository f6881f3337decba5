"""An advantage estimator of a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from pydantic import Field

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards


class AboveMedian(AdvantageEstimator):
    """`size` for a reward above the group's median, minus `size` for one below."""

    size: float = Field(1.0, gt=0, description="absolute advantage")

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        return [tuple(self._advantage(r, median(group.rewards)) for r in group.rewards) for group in groups]

    def _advantage(self, reward: float, middle: float) -> float:
        return self.size * ((reward > middle) - (reward < middle))
