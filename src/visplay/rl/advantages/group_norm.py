"""GRPO's advantages: rewards centred and scaled within their group (arXiv 2402.03300, section 4.1.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards


class GroupNorm(AdvantageEstimator, type="group_norm"):
    """GRPO: (reward - group mean) / (group standard deviation + epsilon).

    The standard deviation is the unbiased one (divided by G - 1), as in TRL and veRL. Equal rewards have advantage
    exactly 0, unless their group has a baseline: then (reward - baseline mean) / (baseline deviation + epsilon).
    """

    epsilon: float = Field(1e-6, gt=0, description="added to the standard deviation (TRL: 1e-4)")

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        return [tuple(self._scaled(group).tolist()) for group in groups]

    def _scaled(self, group: GroupRewards) -> np.ndarray:
        rewards_G = np.array(group.rewards)
        mean, deviation = rewards_G.mean(), rewards_G.std(ddof=1)
        # Rounding may put the mean of equal rewards beside them.
        if (rewards_G == rewards_G[0]).all():
            mean, deviation = group.baseline or (rewards_G[0], 1.0)
        scaled_G: np.ndarray = (rewards_G - mean) / (deviation + self.epsilon)
        return scaled_G
