"""The Questioner's reward of the paper's published code."""

from __future__ import annotations

from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.difficulty import checked_share


class OfficialReward(QuestionerReward, type="official"):
    """min(c, 1 − c) − r_div; −1 − r_div for an invalid output."""

    def reward(self, outcome: QuestionOutcome) -> float:
        confidence = checked_share(outcome.confidence)
        return (min(confidence, 1.0 - confidence) if outcome.question else -1.0) - outcome.penalty
