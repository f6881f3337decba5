"""The majority of answers given on several views of the picture: what only one look suggests is outvoted."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.records import Question, View
from visplay.roles.reasoner import Reasoner, tally
from visplay.silver.candidate import Candidate


class Views:
    """Votes spread evenly over `views`; each leaves the answer as it is, or is not used for that question."""

    def __init__(self, reasoner: Reasoner, views: Sequence[View]) -> None:
        self.reasoner = reasoner
        self.views = views

    def label(self, questions: Sequence[Question], votes: int) -> list[Candidate]:
        given = self.reasoner.votes(questions, votes, self.views)
        return [Candidate(q, given[q.id], tally(q, given[q.id])) for q in questions]
