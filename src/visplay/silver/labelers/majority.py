"""The majority of answers, on the picture as it is (arXiv 2511.15661) or on several views of it.

What only one look suggests is outvoted by the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from visplay.records import Question, View
from visplay.roles.reasoner import Reasoner, tally
from visplay.silver.candidate import Candidate


class Majority:
    """Votes spread evenly over `views`; each leaves the answer as it is, or is not used for that question.

    Args:
        views: without them, the paper's labeler.
    """

    def __init__(self, reasoner: Reasoner, views: Sequence[View] = ("plain",)) -> None:
        self.reasoner = reasoner
        self.views = views

    def label(self, questions: Sequence[Question], votes: int) -> list[Candidate]:
        given = self.reasoner.votes(questions, votes, self.views)
        return [Candidate(q, given[q.id], tally(q, given[q.id])) for q in questions]
