"""The reward `hard_settled`: questions whose direct answers disagree, and that other evidence settles."""

from __future__ import annotations

from statistics import fmean
from typing import ClassVar

from pydantic import Field

from visplay.answers import guesses, match
from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.difficulty import above_chance, difficulty, disagreement, share_of


class HardSettledReward(QuestionerReward, type="hard_settled"):
    """hard · settled − penalty, at least 0, for questions that pass `questioner.gates`; continuous, without a band.

    With s the share of votes that give the silver answer and u the share without an answer, r = 1 − |2s − 1| as in
    `difficulty`, hard = r + w · (1 − r) · d: d is the probability that two votes differ, so that a question which no
    vote solves earns a little where the votes are unsure, and nothing where they agree. `settled` is the share of the
    labeler's findings that are the silver answer, above that of guessing. Where no finding is an answer, as for
    claims, it is the labeler's confidence; without any finding it is 0, because votes alone settle nothing.
    """

    uses_gates: ClassVar[bool] = True
    unsolved: float = Field(
        0.25, ge=0, le=1, description="w, weight of disagreement beside the share of right votes (ours)"
    )

    def reward(self, outcome: QuestionOutcome) -> float:
        question, result = outcome.question, outcome.result
        if question is None or result is None or result.answer is None or outcome.rejected:
            return 0.0
        votes = [vote.answer for vote in outcome.votes]
        solved = difficulty(share_of(result.answer, votes), outcome.unboxed)
        hard = solved + self.unsolved * (1.0 - solved) * disagreement(votes)
        return max(0.0, hard * settled(outcome, result.answer, question.text) - outcome.penalty)


def settled(outcome: QuestionOutcome, answer: str, question: str) -> float:
    """How far evidence other than the votes gives `answer`, in [0, 1]; 0 without evidence."""
    findings = [read.finding for read in outcome.evidence if read.finding is not None]
    if not findings:
        return 0.0
    share = fmean(match(finding, answer) for finding in findings) or outcome.confidence
    options = guesses(answer, question)
    return above_chance(share, options) if options else share
