"""The gate `self_check`: asks the Reasoner yes/no questions that follow from its answer, to find contradictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from visplay.answers import is_refusal
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.labeling.language.claims import Claim, claims
from visplay.labeling.language.statement import state
from visplay.types import Augmentation, Candidate, Question, Vote

_CLAIMS = 2  # largest number of claims of an answer


class SelfCheck(Gate, type="self_check"):
    """Asks the Reasoner about each claim of a silver answer, and rejects the question if too many replies deny it.

    A question that the grammar cannot parse, or whose answer has no yes/no claim, passes.
    """

    votes: int = Field(4, ge=1, description="replies to each claim")
    max_denials: float = Field(0.5, ge=0, lt=1, description="largest share of boxed replies that may deny the answer")
    augmentations: tuple[Augmentation, ...] = Field(
        ("plain",), min_length=1, description="augmentations of the image that replies are spread over"
    )

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        claimed = {c.question.id: _claims(c) for c in candidates}
        replies = self._ask(voter, claimed, candidates)
        found: dict[str, str] = {}
        for candidate in candidates:
            boxed = [
                (claim, vote.answer)
                for claim in claimed[candidate.question.id]
                for vote in replies[candidate.question.image.id, claim.question]
                if vote.answer is not None and not is_refusal(vote.answer)
            ]
            denied = sum(claim.denied_by(answer) for claim, answer in boxed)
            if denied > self.max_denials * len(boxed):
                found[candidate.question.id] = f"{denied} of {len(boxed)} replies deny it"
        return found

    def _ask(
        self, voter: Voter, claimed: Mapping[str, Sequence[Claim]], candidates: Sequence[Candidate]
    ) -> dict[tuple[str, str], tuple[Vote, ...]]:
        """Replies by image id and text of the claim; each text is asked once per image."""
        asked: dict[tuple[str, str], Question] = {}
        for candidate in candidates:
            question = candidate.question
            for n, claim in enumerate(claimed[question.id]):
                claim_question = Question(f"{question.id}~claim{n}", question.image, "open", claim.question)
                asked.setdefault((question.image.id, claim.question), claim_question)
        replies = voter.votes(list(asked.values()), self.votes, self.augmentations)
        return {key: replies[question.id] for key, question in asked.items()}

    def requests(self, questions: int) -> tuple[ExtraRequests, ...]:
        versions = min(len(self.augmentations), self.votes)
        asked = questions * _CLAIMS
        return (ExtraRequests("votes", versions, asked, asked * -(-self.votes // versions)),)


def _claims(candidate: Candidate) -> tuple[Claim, ...]:
    statement = state(candidate.question.text, candidate.result.answer or "")
    return claims(statement) if statement else ()
