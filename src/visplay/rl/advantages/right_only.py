"""The advantage estimator `right_only`: supervised learning on the completions that were rewarded."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards


class RightOnly(AdvantageEstimator, type="right_only"):
    """1 for a completion with a reward above a threshold, else 0; there is no baseline.

    With one update per step, the gradient of the policy loss is that of the cross-entropy on the rewarded completions.
    So it is rejection sampling and supervised fine-tuning, RAFT (arXiv 2304.06767). Averages count the completions
    without an advantage too.
    """

    threshold: float = Field(0.5, description="largest reward of a wrong completion; rewards of right ones are near 1")

    def estimate(self, groups: Sequence[GroupRewards]) -> list[tuple[float, ...]]:
        return [tuple(float(reward > self.threshold) for reward in group.rewards) for group in groups]
