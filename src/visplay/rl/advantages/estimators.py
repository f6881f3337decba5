"""Advantages: a completion's reward compared with the others of its group.

A group of equal rewards has advantages of exactly 0, although rounding may put its mean beside them.

Shapes: G completions of a group.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards

_EPSILON = Field(1e-6, gt=0, description="added to the standard deviation (TRL: 1e-4)")


class GroupNorm(AdvantageEstimator, type="group_norm"):
    """GRPO: (reward - group mean) / (group standard deviation + epsilon).

    The standard deviation is the unbiased one (divided by G - 1), as in TRL and veRL. Equal rewards have advantage
    exactly 0, unless their group has a baseline: then (reward - baseline mean) / (baseline deviation + epsilon).
    Source: arXiv 2402.03300, section 4.1.2.
    """

    epsilon: float = _EPSILON

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        return [self._estimate(np.array(group.rewards), group.baseline) for group in groups]

    def _estimate(self, rewards_G: np.ndarray, baseline: tuple[float, float] | None) -> tuple[float, ...]:
        mean, deviation = rewards_G.mean(), rewards_G.std(ddof=1)
        if _are_equal(rewards_G):
            mean, deviation = baseline or (rewards_G[0], 1.0)
        return tuple(((rewards_G - mean) / (deviation + self.epsilon)).tolist())


class BatchNorm(AdvantageEstimator, type="batch_norm"):
    """(reward - group mean) / (standard deviation over all rewards of the step + epsilon). Ignores baselines.

    A group of nearly equal rewards is not blown up, as it is by its own deviation. The same as TRL's
    `scale_rewards="batch"`; the standard deviation is the unbiased one (arXiv 2508.08221).
    """

    epsilon: float = _EPSILON

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        deviation = np.std([reward for group in groups for reward in group.rewards], ddof=1)
        return [tuple((_centered(group) / (deviation + self.epsilon)).tolist()) for group in groups]


class MeanCentered(AdvantageEstimator, type="mean_centered"):
    """Dr. GRPO: reward - group mean, so that easy and hard questions are not weighted up. Ignores baselines.

    Source: arXiv 2503.20783, section 3.2.
    """

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        return [tuple(_centered(group).tolist()) for group in groups]


class RLOO(AdvantageEstimator, type="rloo"):
    """RLOO: reward - mean reward of the other completions of the group. Ignores baselines.

    REINFORCE leave-one-out, Kool et al. 2019; arXiv 2402.14740, section 2.4.
    """

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        return [tuple(_centered(group, leave_one_out=True).tolist()) for group in groups]


def _centered(group: GroupRewards, leave_one_out: bool = False) -> np.ndarray:
    """Rewards less the mean of the group, or of its other completions."""
    rewards_G = np.array(group.rewards)
    if _are_equal(rewards_G):
        return np.zeros_like(rewards_G)
    others_G = (rewards_G.sum() - rewards_G) / (len(rewards_G) - 1)
    return np.asarray(rewards_G - (others_G if leave_one_out else rewards_G.mean()))


def _are_equal(rewards_G: np.ndarray) -> bool:
    return bool((rewards_G == rewards_G[0]).all())
