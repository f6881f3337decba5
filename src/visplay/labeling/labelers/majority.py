"""The majority of answers, on the image as it is (arXiv 2511.15661) or on several augmentations of it.

What only one look suggests is outvoted by the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from visplay.labeling.candidate import Candidate
from visplay.roles.reasoner import Reasoner, count_votes
from visplay.types import Augmentation, Question


class Majority:
    """Votes spread evenly over `augmentations`; each leaves the answer as it is, or is not used for that question.

    Args:
        augmentations: without them, the paper's labeler.
    """

    def __init__(self, reasoner: Reasoner, augmentations: Sequence[Augmentation] = ("plain",)) -> None:
        self.reasoner = reasoner
        self.augmentations = augmentations

    def label(self, questions: Sequence[Question], votes: int) -> list[Candidate]:
        given = self.reasoner.votes(questions, votes, self.augmentations)
        return [Candidate(q, given[q.id], count_votes(q, given[q.id])) for q in questions]
