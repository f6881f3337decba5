"""A question that is answered the same in front of another image teaches nothing about this one."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import match
from visplay.labeling.candidate import Candidate
from visplay.roles.reasoner import Reasoner
from visplay.types import ImageRef, Question


class NeedsImage:
    """Drops a question whose silver answer also wins in front of other images of the batch.

    Args:
        votes: answers in front of other images, one each.
        most: largest share of them that may equal the silver answer.
    """

    def __init__(self, reasoner: Reasoner, votes: int, most: float) -> None:
        self.reasoner = reasoner
        self.votes = votes
        self.most = most

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        images = list(dict.fromkeys(c.question.image for c in candidates))
        if len(images) < 2:
            return {}
        place = {image: index for index, image in enumerate(images)}
        asked = {c.question.id: self._elsewhere(c.question, images, place) for c in candidates}
        answers = self.reasoner.votes([question for those in asked.values() for question in those], 1)
        found: dict[str, str] = {}
        for candidate in candidates:
            there = [answers[question.id][0].answer for question in asked[candidate.question.id]]
            same = sum(answer is not None and match(answer, candidate.result.answer or "") for answer in there)
            if same > self.most * len(there):
                found[candidate.question.id] = f"{same} of {len(there)} other images give the same answer"
        return found

    def _elsewhere(self, question: Question, images: list[ImageRef], place: dict[ImageRef, int]) -> list[Question]:
        """The question in front of the images that follow its own; no random number, so a resumed run agrees."""
        here = place[question.image]
        others = [images[(here + step) % len(images)] for step in range(1, min(self.votes, len(images) - 1) + 1)]
        return [
            Question(f"{question.id}~elsewhere{n}", other, question.type, question.text)
            for n, other in enumerate(others)
        ]
