"""A majority that must not be at odds with what the Reasoner lists when it is only asked what it sees."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import match, vote
from visplay.labeling.candidate import Candidate
from visplay.labeling.language.listed import answer_from, supposes_wrongly
from visplay.labeling.language.meaning import read_meaning
from visplay.roles.reasoner import Reasoner, count_votes
from visplay.types import Augmentation, Question, VoteResult


class Facts:
    """Votes over `augmentations`, held against the answers computed from `lists` lists of what each image shows."""

    def __init__(self, reasoner: Reasoner, augmentations: Sequence[Augmentation], lists: int) -> None:
        self.reasoner = reasoner
        self.augmentations = augmentations
        self.lists = lists

    def label(self, questions: Sequence[Question], votes: int) -> list[Candidate]:
        given = self.reasoner.votes(questions, votes, self.augmentations)
        meanings = {question.id: read_meaning(question.text) for question in questions}
        plain = [question for question in questions if meanings[question.id] is not None]
        seen = self.reasoner.facts(plain, self.lists, self.augmentations)
        candidates = []
        for question in questions:
            voted, meaning = count_votes(question, given[question.id]), meanings[question.id]
            if meaning is not None:
                lists = seen[question.image.id]
                voted = checked(voted, [answer_from(facts, meaning) for facts in lists])
                voted = supposing(voted, [supposes_wrongly(facts, meaning) for facts in lists])
            candidates.append(Candidate(question, given[question.id], voted))
        return candidates


def supposing(voted: VoteResult, wrongly: Sequence[bool | None]) -> VoteResult:
    """What was voted for, unless most lists that tell say that the question is about what is not there."""
    told = [wrong for wrong in wrongly if wrong is not None]
    if 2 * sum(told) <= len(told):
        return voted
    return VoteResult(voted.question_id, None, 0.0, voted.votes, voted.unboxed)


def checked(voted: VoteResult, computed: Sequence[str | None]) -> VoteResult:
    """What was voted for, if the majority of computed answers agrees: then with the smaller of both shares.

    No answer and confidence 0 if it does not; what was voted for if nothing was computed.
    """
    answer, share, _ = vote(computed)
    if answer is None or voted.answer is None:
        return voted
    agreed = match(voted.answer, answer)
    confidence = min(voted.confidence, share) if agreed else 0.0
    return VoteResult(voted.question_id, voted.answer if agreed else None, confidence, voted.votes, voted.unboxed)
