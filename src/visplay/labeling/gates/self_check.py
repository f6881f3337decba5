"""The gate `self_check`: asks the Reasoner yes/no questions that follow from its answer, to find contradictions."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.labeling.claims import MOST_CLAIMS, ask, claims
from visplay.types import Augmentation, Candidate


class SelfCheck(Gate, type="self_check"):
    """Asks the Reasoner about each claim of a silver answer, and rejects the question if too many replies deny it.

    An answer that has no claim passes; `visplay.labeling.claims` says which claims an answer has.
    """

    votes: int = Field(4, ge=1, description="replies to each claim")
    max_denials: float = Field(0.5, ge=0, lt=1, description="largest share of boxed replies that may deny the answer")
    augmentations: tuple[Augmentation, ...] = Field(
        ("plain",), min_length=1, description="augmentations of the image that replies are spread over"
    )

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        claimed = [(one.question, claims(one.question.text, one.result.answer or "")) for one in candidates]
        replies = ask(claimed, self.votes, voter, self.augmentations)
        found: dict[str, str] = {}
        for question, made in claimed:
            boxed = [(claim, answer) for claim in made for answer in replies[question.image.id, claim.question]]
            denied = sum(claim.denied_by(answer) for claim, answer in boxed)
            if denied > self.max_denials * len(boxed):
                found[question.id] = f"{denied} of {len(boxed)} replies deny it"
        return found

    def requests(self, questions: int) -> tuple[ExtraRequests, ...]:
        versions = min(len(self.augmentations), self.votes)
        asked = questions * MOST_CLAIMS
        return (ExtraRequests("votes", versions, asked, asked * -(-self.votes // versions)),)
