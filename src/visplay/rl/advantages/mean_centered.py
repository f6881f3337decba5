"""Dr. GRPO's advantages: rewards centred within their group, not scaled (arXiv 2503.20783, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards


class MeanCentered(AdvantageEstimator, type="mean_centered"):
    """Dr. GRPO: reward - group mean, so that easy and hard questions are not weighted up. Ignores baselines."""

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        return [tuple(centered(group.rewards).tolist()) for group in groups]


def centered(rewards: Sequence[float]) -> np.ndarray:
    """Rewards less their mean, float64 (G,); exactly 0 where all are equal, whatever rounding does to the mean."""
    rewards_G = np.array(rewards)
    if (rewards_G == rewards_G[0]).all():
        return np.zeros_like(rewards_G)
    centered_G: np.ndarray = rewards_G - rewards_G.mean()
    return centered_G
