"""The gate `needs_image`: rejects questions that have the same answer for other images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from visplay.answers import match
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.types import Candidate, Question


class NeedsImage(Gate, type="needs_image"):
    """Asks a question about other images of the set; rejects it if too many of the answers are its silver answer."""

    compares: ClassVar[bool] = True

    votes: int = Field(4, ge=1, description="other images that the question is asked about, one answer each")
    max_agreement: float = Field(0.5, ge=0, lt=1, description="largest share of them that may give the silver answer")

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        images = list(dict.fromkeys(candidate.question.image for candidate in candidates))
        index = {image: number for number, image in enumerate(images)}
        asked: dict[str, list[Question]] = {}
        for question in (candidate.question for candidate in candidates):
            # The next images; without random numbers, so that a resumed run makes the same choice.
            places = range(index[question.image] + 1, index[question.image] + min(self.votes + 1, len(images)))
            asked[question.id] = [
                Question(f"{question.id}~elsewhere{n}", images[place % len(images)], question.type, question.text)
                for n, place in enumerate(places)
            ]
        answers = voter.votes([question for those in asked.values() for question in those], 1)
        found = {}
        for candidate in candidates:
            others = [vote.answer for question in asked[candidate.question.id] for vote in answers[question.id]]
            same = sum(answer is not None and match(answer, candidate.result.answer or "") for answer in others)
            if same > self.max_agreement * len(others):
                found[candidate.question.id] = f"{same} of {len(others)} other images give the same answer"
        return found

    def requests(self, questions: int) -> tuple[ExtraRequests, ...]:
        asked = questions * self.votes
        return (ExtraRequests("votes", 1, asked, asked),)
