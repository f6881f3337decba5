"""The majority of answers given on the picture as it is (arXiv 2511.15661)."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.records import Question
from visplay.roles.reasoner import Reasoner, tally
from visplay.silver.candidate import Candidate


class Majority:
    """The paper's labeler."""

    def __init__(self, reasoner: Reasoner) -> None:
        self.reasoner = reasoner

    def label(self, questions: Sequence[Question], votes: int) -> list[Candidate]:
        given = self.reasoner.votes(questions, votes)
        return [Candidate(q, given[q.id], tally(q, given[q.id])) for q in questions]
