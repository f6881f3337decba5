"""The labeler `true_answers`: the oracle's answers, for the supervised ceiling that a run is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from visplay.interfaces.labeler import Voter
from visplay.lab.observer import KnownImages
from visplay.lab.truth import Truth, known_scene
from visplay.labeling.labelers.majority import Majority
from visplay.types import Candidate, Question


class TrueAnswers(Majority, type="true_answers"):
    """The true answer, with confidence 1; the votes say only how hard a question is, which a curriculum asks for.

    A question outside the lab's language, or about something that the image does not have, has no silver answer. The
    images are of the lab and of easy-vqa alone.
    """

    def check_run(self, run: Any) -> None:
        if not isinstance(run.images, KnownImages):
            raise ValueError(
                f"labeler '{self.type}' needs images whose truth is known, such as lab/single: {run.images}"
            )

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        truth = Truth(known_scene)
        answered = []
        for candidate in super().label(questions, votes, voter):
            answer = truth.answer(candidate.question)
            result = replace(candidate.result, answer=answer, confidence=float(answer is not None))
            answered.append(replace(candidate, result=result))
        return answered
