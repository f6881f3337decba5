"""Controls: rewards of the Reasoner that know nothing of the silver answer."""

from __future__ import annotations

from visplay.interfaces.reward import ReasonerReward
from visplay.rl.rewards.completion import format_score, random_reward
from visplay.types import Completion, SilverItem


class FormatReward(ReasonerReward, type="format"):
    """1 for exactly one boxed answer after the reasoning, else 0."""

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        return format_score(completion.text)


class RandomReward(ReasonerReward, type="random"):
    """0 or 1 with equal chance, whatever the completion says."""

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        return random_reward(key)
