"""Advantages centred by group and scaled by the standard deviation of the whole step (arXiv 2508.08221)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards
from visplay.rl.advantages.mean_centered import centered


class BatchNorm(AdvantageEstimator, type="batch_norm"):
    """(reward - group mean) / (standard deviation over all rewards of the step + epsilon). Ignores baselines.

    A group of nearly equal rewards is not blown up, which dividing by its own deviation does. The same as TRL's
    `scale_rewards="batch"`; the standard deviation is the unbiased one.
    """

    epsilon: float = Field(1e-6, gt=0, description="added to the standard deviation (TRL: 1e-4)")

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        deviation = np.std([reward for group in groups for reward in group.rewards], ddof=1)
        return [tuple((centered(group.rewards) / (deviation + self.epsilon)).tolist()) for group in groups]
