"""A reward of a user's own."""

from __future__ import annotations

from pydantic import Field

from visplay.interfaces.reward import QuestionerReward, QuestionOutcome


class Brevity(QuestionerReward):
    """`scale` over the number of words of the question; 0 without a question."""

    scale: float = Field(1.0, gt=0, description="reward of a question of one word")

    def reward(self, outcome: QuestionOutcome) -> float:
        return self.scale / len(outcome.question.text.split()) if outcome.question else 0.0
