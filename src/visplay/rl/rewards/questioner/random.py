"""A control: the Questioner's reward carries no information."""

from __future__ import annotations

from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.control import random_reward


class RandomReward(QuestionerReward, type="random"):
    """0 or 1 with equal chance, whatever the completion says."""

    def reward(self, outcome: QuestionOutcome) -> float:
        return random_reward(outcome.key)
