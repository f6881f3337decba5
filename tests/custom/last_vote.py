"""A labeler of a user's own."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.interfaces.labeler import Labeler, Voter
from visplay.types import Candidate, Question, Vote, VoteResult


class LastVote(Labeler):
    """Takes the answer of the last vote that is boxed, and is never sure of it."""

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        given = voter.votes(questions, votes)
        return [Candidate(q, given[q.id], _last(q, given[q.id])) for q in questions]


def _last(question: Question, votes: Sequence[Vote]) -> VoteResult:
    boxed = [vote.answer for vote in votes if vote.answer is not None]
    return VoteResult(question.id, boxed[-1] if boxed else None, 0.5, len(votes), len(votes) - len(boxed))
