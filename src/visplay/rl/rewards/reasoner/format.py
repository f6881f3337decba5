"""A control: the Reasoner is rewarded for the format alone."""

from __future__ import annotations

from visplay.interfaces.reward import ReasonerReward
from visplay.rl.rewards.validity import format_score
from visplay.types import Completion, SilverItem


class FormatReward(ReasonerReward, type="format"):
    """1 for exactly one boxed answer after the reasoning, else 0."""

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        return format_score(completion.text)
