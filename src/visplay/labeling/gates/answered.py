"""The gate `answered`: rejects questions that the Reasoner declines to answer."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from visplay.answers import is_refusal
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.types import Candidate


class Answered(Gate, type="answered"):
    """Rejects a question if the majority declines to answer it, or if too many votes do.

    One that the evidence itself declines passes: it is about a thing that is not there.
    """

    max_refusals: float = Field(1.0, ge=0, le=1, description="largest share of votes that may decline to answer")

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        found: dict[str, str] = {}
        for candidate in candidates:
            declines = is_refusal(candidate.result.answer or "")
            if declines and any(is_refusal(evidence.finding or "") for evidence in candidate.evidence):
                continue
            refusals = sum(vote.answer is not None and is_refusal(vote.answer) for vote in candidate.votes)
            if declines:
                found[candidate.question.id] = "the majority declines to answer"
            elif refusals > self.max_refusals * len(candidate.votes):
                found[candidate.question.id] = f"{refusals} of {len(candidate.votes)} votes decline to answer"
        return found
