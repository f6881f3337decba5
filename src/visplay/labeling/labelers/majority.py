"""The labeler `majority`: the answer that most votes give (arXiv 2511.15661, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from visplay.answers import vote
from visplay.interfaces.labeler import ExtraRequests, Labeler, Voter
from visplay.types import Augmentation, Candidate, Question, Vote, VoteResult


class Majority(Labeler, type="majority"):
    """The majority over all votes. Votes over several augmentations are less sensitive to one version of an image."""

    augmentations: tuple[Augmentation, ...] = Field(
        ("plain",), min_length=1, description="augmentations of the image that votes are spread over (paper: plain)"
    )

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        given = voter.votes(questions, votes, self.augmentations)
        return [Candidate(q, given[q.id], count_votes(q, given[q.id])) for q in questions]

    def requests(self, questions: int, votes: int) -> tuple[ExtraRequests, ...]:
        versions = min(len(self.augmentations), votes)
        return (ExtraRequests("votes", versions, questions, questions * -(-votes // versions)),)


def count_votes(question: Question, votes: Sequence[Vote]) -> VoteResult:
    """The majority over `votes`; unboxed answers count only in the total."""
    answer, confidence, unboxed = vote([v.answer for v in votes])
    return VoteResult(question.id, answer, confidence, len(votes), unboxed)
