"""A control: the Questioner is rewarded for the format alone."""

from __future__ import annotations

from visplay.interfaces.reward import QuestionerReward, QuestionOutcome


class FormatReward(QuestionerReward, type="format"):
    """1 for a completion in the agreed form, else 0."""

    def reward(self, outcome: QuestionOutcome) -> float:
        return float(outcome.question is not None)
