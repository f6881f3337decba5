"""A majority in which an answer counts as much as the Reasoner believed what it wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence

from visplay.answers import vote
from visplay.records import Question, Tally, View, Vote
from visplay.roles.reasoner import Reasoner
from visplay.silver.candidate import Candidate


class Weighted:
    """Votes over `views`, each with the weight exp(mean log-probability of its tokens), in (0, 1]."""

    def __init__(self, reasoner: Reasoner, views: Sequence[View]) -> None:
        self.reasoner = reasoner
        self.views = views

    def label(self, questions: Sequence[Question], votes: int) -> list[Candidate]:
        given = self.reasoner.votes(questions, votes, self.views)
        return [Candidate(q, given[q.id], weighted_tally(q, given[q.id])) for q in questions]


def weighted_tally(question: Question, votes: Sequence[Vote]) -> Tally:
    """The answer with the most weight; its confidence is its share of the weight of all votes."""
    answer, confidence, unboxed = vote([v.answer for v in votes], [math.exp(v.logprob) for v in votes])
    return Tally(question.id, answer, confidence, len(votes), unboxed)
