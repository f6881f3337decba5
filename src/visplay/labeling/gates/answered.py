"""Answers that say there is no answer are nothing to learn from."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import is_refusal
from visplay.labeling.candidate import Candidate


class Answered:
    """Drops a question to which the majority says "unknown", or more than `most` of the votes do.

    Args:
        most: largest share of all votes that may decline to answer.
    """

    def __init__(self, most: float) -> None:
        self.most = most

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        found: dict[str, str] = {}
        for candidate in candidates:
            refusals = sum(vote.answer is not None and is_refusal(vote.answer) for vote in candidate.votes)
            if is_refusal(candidate.result.answer or ""):
                found[candidate.question.id] = "the majority declines to answer"
            elif refusals > self.most * len(candidate.votes):
                found[candidate.question.id] = f"{refusals} of {len(candidate.votes)} votes decline to answer"
        return found
