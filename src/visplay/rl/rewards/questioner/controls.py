"""Controls: rewards of the Questioner that know nothing of the votes."""

from __future__ import annotations

from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.completion import random_reward


class FormatReward(QuestionerReward, type="format"):
    """1 for a completion in the agreed form, else 0."""

    def reward(self, outcome: QuestionOutcome) -> float:
        return float(outcome.question is not None)


class RandomReward(QuestionerReward, type="random"):
    """0 or 1 with equal chance, whatever the completion says."""

    def reward(self, outcome: QuestionOutcome) -> float:
        return random_reward(outcome.key)
