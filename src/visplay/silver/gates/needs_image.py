"""A question that is answered the same in front of another picture teaches nothing about this one."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import match
from visplay.records import Picture, Question
from visplay.roles.reasoner import Reasoner
from visplay.silver.candidate import Candidate


class NeedsImage:
    """Drops a question whose silver answer also wins in front of other pictures of the batch.

    Args:
        votes: answers in front of other pictures, one each.
        most: largest share of them that may equal the silver answer.
    """

    def __init__(self, reasoner: Reasoner, votes: int, most: float) -> None:
        self.reasoner = reasoner
        self.votes = votes
        self.most = most

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        pictures = list(dict.fromkeys(c.question.picture for c in candidates))
        if len(pictures) < 2:
            return {}
        place = {picture: index for index, picture in enumerate(pictures)}
        asked = {c.question.id: self._elsewhere(c.question, pictures, place) for c in candidates}
        answers = self.reasoner.votes([question for those in asked.values() for question in those], 1)
        found: dict[str, str] = {}
        for candidate in candidates:
            there = [answers[question.id][0].answer for question in asked[candidate.question.id]]
            same = sum(answer is not None and match(answer, candidate.tally.answer or "") for answer in there)
            if same > self.most * len(there):
                found[candidate.question.id] = f"{same} of {len(there)} other pictures give the same answer"
        return found

    def _elsewhere(self, question: Question, pictures: list[Picture], place: dict[Picture, int]) -> list[Question]:
        """The question in front of the pictures that follow its own; no random number, so a resumed run agrees."""
        here = place[question.picture]
        others = [pictures[(here + step) % len(pictures)] for step in range(1, min(self.votes, len(pictures) - 1) + 1)]
        return [
            Question(f"{question.id}~elsewhere{n}", other, question.type, question.text)
            for n, other in enumerate(others)
        ]
