"""A majority in which an answer counts as much as the Reasoner believed what it wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence

from visplay.answers import vote
from visplay.labeling.candidate import Candidate
from visplay.roles.reasoner import Reasoner
from visplay.types import Augmentation, Question, Vote, VoteResult


class Weighted:
    """Votes over `augmentations`, each with the weight exp(mean log-probability of its tokens), in (0, 1]."""

    def __init__(self, reasoner: Reasoner, augmentations: Sequence[Augmentation]) -> None:
        self.reasoner = reasoner
        self.augmentations = augmentations

    def label(self, questions: Sequence[Question], votes: int) -> list[Candidate]:
        given = self.reasoner.votes(questions, votes, self.augmentations)
        return [Candidate(q, given[q.id], weighted_result(q, given[q.id])) for q in questions]


def weighted_result(question: Question, votes: Sequence[Vote]) -> VoteResult:
    """The answer with the most weight; its confidence is its share of the weight of all votes."""
    answer, confidence, unboxed = vote([v.answer for v in votes], [math.exp(v.logprob) for v in votes])
    return VoteResult(question.id, answer, confidence, len(votes), unboxed)
