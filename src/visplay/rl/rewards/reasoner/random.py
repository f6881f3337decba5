"""A control: the Reasoner's reward carries no information."""

from __future__ import annotations

from visplay.interfaces.reward import ReasonerReward
from visplay.rl.rewards.control import random_reward
from visplay.types import Completion, SilverItem


class RandomReward(ReasonerReward, type="random"):
    """0 or 1 with equal chance, whatever the completion says."""

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        return random_reward(key)
