"""A reward of your own for the Questioner: the paper's reward, and a bonus for questions that count.

settings = visplay.load_settings("default", values={"questioner": {"reward": CountingBonus(bonus=0.2)}})
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from visplay import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.difficulty import difficulty


class CountingBonus(QuestionerReward):
    """The paper's reward (arXiv 2511.15661, section 3), plus `bonus` if the question asks for a number."""

    uses_gates: ClassVar[bool] = True

    bonus: float = Field(0.1, ge=0, description="reward added to a question that begins with 'how many'")

    def reward(self, outcome: QuestionOutcome) -> float:
        if outcome.question is None or outcome.rejected:
            return 0.0
        counts = outcome.question.text.lower().startswith("how many")
        return max(0.0, difficulty(outcome.confidence) + self.bonus * counts - outcome.penalty)
