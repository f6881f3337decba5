"""REINFORCE leave-one-out (RLOO; Kool et al. 2019, arXiv 2402.14740, section 2.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards


class RLOO(AdvantageEstimator, type="rloo"):
    """RLOO: reward - mean reward of the other completions of the group. Ignores baselines."""

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        return [tuple(_less_the_others(np.array(group.rewards)).tolist()) for group in groups]


def _less_the_others(rewards_G: np.ndarray) -> np.ndarray:
    # Rounding may put the mean of equal rewards beside them.
    if (rewards_G == rewards_G[0]).all():
        return np.zeros_like(rewards_G)
    others_G = (rewards_G.sum() - rewards_G) / (len(rewards_G) - 1)
    advantages_G: np.ndarray = rewards_G - others_G
    return advantages_G
