"""The Questioner's reward of the paper (arXiv 2511.15661, section 3)."""

from __future__ import annotations

from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.difficulty import difficulty


class PaperReward(QuestionerReward, type="paper"):
    """r = valid · max(0, r_unc − r_div), with r_unc = 1 − |2c − 1|; in [0, 1]."""

    def reward(self, outcome: QuestionOutcome) -> float:
        return max(0.0, difficulty(outcome.confidence) - outcome.penalty) if outcome.question else 0.0
