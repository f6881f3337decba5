"""The Questioner's rewards: the paper's by the votes' confidence c (arXiv 2511.15661, section 3), and variants."""

from __future__ import annotations

from typing import ClassVar

from visplay.answers import guesses
from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.completion import random_reward
from visplay.rl.rewards.difficulty import above_chance, checked_share, difficulty


class PaperReward(QuestionerReward, type="paper"):
    """r = valid · max(0, r_unc − r_div), with r_unc = 1 − |2c − 1|; in [0, 1]. An unboxed vote is no disagreement."""

    def reward(self, outcome: QuestionOutcome) -> float:
        hard = difficulty(outcome.confidence, outcome.unboxed)
        return max(0.0, hard - outcome.penalty) if outcome.question else 0.0


class OfficialReward(QuestionerReward, type="official"):
    """min(c, 1 − c − u) − r_div, u the share of unboxed votes; −1 − r_div for an invalid output."""

    def reward(self, outcome: QuestionOutcome) -> float:
        confidence = checked_share(outcome.confidence)
        disagreement = max(0.0, 1.0 - confidence - outcome.unboxed)
        return (min(confidence, disagreement) if outcome.question else -1.0) - outcome.penalty


class ChanceCorrectedReward(QuestionerReward, type="chance_corrected"):
    """The paper's reward on confidence above chance, for questions that pass `questioner.gates`.

    The paper's reward pays most for an even split between two answers; this reward pays 0 for it, because k options
    to guess among give a confidence of 1/k. A question that a gate rejects, or without a silver answer, earns 0.
    """

    uses_gates: ClassVar[bool] = True

    def reward(self, outcome: QuestionOutcome) -> float:
        question, result = outcome.question, outcome.result
        if question is None or result is None or result.answer is None or outcome.rejected:
            return 0.0
        options = guesses(result.answer, question.text)
        confidence, unboxed = result.confidence, outcome.unboxed
        if options:
            confidence, unboxed = above_chance(confidence, options), unboxed / (1 - 1 / options)
        return max(0.0, difficulty(confidence, unboxed) - outcome.penalty)


class FormatReward(QuestionerReward, type="format"):
    """1 for a completion in the agreed form, else 0."""

    def reward(self, outcome: QuestionOutcome) -> float:
        return float(outcome.question is not None)


class RandomReward(QuestionerReward, type="random"):
    """0 or 1 with equal chance, whatever the completion says."""

    def reward(self, outcome: QuestionOutcome) -> float:
        return random_reward(outcome.key)
