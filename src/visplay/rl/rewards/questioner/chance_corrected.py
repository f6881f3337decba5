"""A Questioner's reward that coin flips and unanswerable questions do not earn."""

from __future__ import annotations

from typing import ClassVar

from visplay.answers import guesses
from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.difficulty import above_chance, difficulty


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
        confidence = above_chance(result.confidence, options) if options else result.confidence
        return max(0.0, difficulty(confidence) - outcome.penalty)
