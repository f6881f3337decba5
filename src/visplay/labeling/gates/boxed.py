"""The gate `boxed`: rejects questions to which too many answers have no box or were cut off."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.types import Candidate


class Boxed(Gate, type="boxed"):
    r"""Rejects a question if too many of its votes gave no answer in `\boxed{}`, or were cut off at the length limit.

    Such votes lower the confidence without disagreeing: a question that is only long to answer would look hard.
    """

    max_unboxed: float = Field(0.25, ge=0, le=1, description="largest share of votes without a box, or cut off")

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        found: dict[str, str] = {}
        for candidate in candidates:
            unboxed = sum(vote.answer is None for vote in candidate.votes)
            if unboxed > self.max_unboxed * len(candidate.votes):
                found[candidate.question.id] = f"{unboxed} of {len(candidate.votes)} votes have no box or were cut off"
        return found
