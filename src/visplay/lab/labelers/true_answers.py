"""The labeler `true_answers`: the oracle's answers, for the supervised ceiling that a run is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from visplay.interfaces.labeler import ExtraRequests, Labeler, Voter
from visplay.lab.observer import KnownImages
from visplay.lab.truth import Truth, known_scene
from visplay.types import Candidate, Question, VoteResult


class TrueAnswers(Labeler, type="true_answers"):
    """The true answer, with confidence 1 and without votes; for images of the lab and of easy-vqa alone.

    A question outside the lab's language, or about something that the image does not have, has no silver answer.
    """

    def check_run(self, run: Any) -> None:
        if not isinstance(run.images, KnownImages):
            raise ValueError(
                f"labeler '{self.type}' needs images whose truth is known, such as lab/single: {run.images}"
            )

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        truth = Truth(known_scene)
        answers = [truth.answer(question) for question in questions]
        return [
            Candidate(question, (), VoteResult(question.id, answer, float(answer is not None), votes=0, unboxed=0))
            for question, answer in zip(questions, answers, strict=True)
        ]

    def requests(self, questions: int, votes: int) -> tuple[ExtraRequests, ...]:
        return ()
