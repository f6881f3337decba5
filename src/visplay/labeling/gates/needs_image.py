"""The gate `needs_image`: a question with the same answer before another image teaches nothing about this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from visplay.answers import match
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.types import Candidate, ImageRef, Question


class NeedsImage(Gate, type="needs_image"):
    """Rejects a question whose silver answer also wins before other images of the set."""

    compares: ClassVar[bool] = True

    votes: int = Field(4, ge=1, description="other images that a question is put before, one answer each")
    max_agreement: float = Field(0.5, ge=0, lt=1, description="largest share of them that may give the silver answer")

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        images = list(dict.fromkeys(c.question.image for c in candidates))
        if len(images) < 2:
            return {}
        index = {image: number for number, image in enumerate(images)}
        asked = {c.question.id: self._elsewhere(c.question, images, index) for c in candidates}
        answers = voter.votes([question for those in asked.values() for question in those], 1)
        found: dict[str, str] = {}
        for candidate in candidates:
            there = [answers[question.id][0].answer for question in asked[candidate.question.id]]
            same = sum(answer is not None and match(answer, candidate.result.answer or "") for answer in there)
            if same > self.max_agreement * len(there):
                found[candidate.question.id] = f"{same} of {len(there)} other images give the same answer"
        return found

    def requests(self, questions: int) -> tuple[ExtraRequests, ...]:
        asked = questions * self.votes
        return (ExtraRequests("votes", 1, asked, asked),)

    def _elsewhere(self, question: Question, images: list[ImageRef], index: dict[ImageRef, int]) -> list[Question]:
        """The question before the images that follow its own; no random number, so a resumed run agrees."""
        here = index[question.image]
        others = [images[(here + step) % len(images)] for step in range(1, min(self.votes, len(images) - 1) + 1)]
        return [
            Question(f"{question.id}~elsewhere{n}", other, question.type, question.text)
            for n, other in enumerate(others)
        ]
