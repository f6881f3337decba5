"""What is said to be so must not be denied when it is asked for by yes and by no."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import is_refusal
from visplay.labeling.candidate import Candidate
from visplay.labeling.gates.follow_up import follow_up
from visplay.labeling.language.implied import Claim, claims
from visplay.labeling.language.statement import state
from visplay.roles.reasoner import Reasoner
from visplay.types import Augmentation


class SelfCheck:
    """Asks what a silver answer settles, and drops a question whose answer the replies deny.

    A question that is not plain, or settles nothing that can be asked by yes and no, passes.

    Args:
        augmentations: looks at the image that replies are spread over.
        votes: replies to each claim.
        most_denied: largest share of the boxed replies, refusals aside, that may contradict the silver answer.
    """

    def __init__(
        self, reasoner: Reasoner, augmentations: Sequence[Augmentation], votes: int, most_denied: float
    ) -> None:
        self.reasoner = reasoner
        self.augmentations = augmentations
        self.votes = votes
        self.most_denied = most_denied

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        claimed = {c.question.id: _claims(c) for c in candidates}
        wanted = [(c.question, [claim.question for claim in claimed[c.question.id]]) for c in candidates]
        replies = follow_up(self.reasoner, wanted, "claim", self.votes, self.augmentations)
        found: dict[str, str] = {}
        for one in candidates:
            said = [
                (claim, vote.answer)
                for claim in claimed[one.question.id]
                for vote in replies[one.question.image.id, claim.question]
                if vote.answer is not None and not is_refusal(vote.answer)
            ]
            denied = sum(claim.denied_by(answer) for claim, answer in said)
            if denied > self.most_denied * len(said):
                found[one.question.id] = f"{denied} of {len(said)} replies deny it"
        return found


def _claims(candidate: Candidate) -> tuple[Claim, ...]:
    statement = state(candidate.question.text, candidate.result.answer or "")
    return claims(statement) if statement else ()
