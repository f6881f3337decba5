"""The task source `true_answers`: another source's questions with the oracle's answers, for the supervised ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.interfaces.task_source import TaskSource
from visplay.lab.truth import Truth, known_scene
from visplay.types import Candidate, ImageRef


class TrueTasks(TaskSource, type="true_answers"):
    """The questions of a source whose true answer is known; for images of the lab and of easy-vqa alone."""

    source: TaskSource = Field(description="who asks; its share is not used")

    @property
    def name(self) -> str:
        return f"{self.type} for {self.source.name}"

    def tasks(self, images: Sequence[ImageRef], voter: Voter, tag: str, seed: int) -> list[Candidate]:
        truth = Truth(known_scene)
        asked = self.source.tasks(images, voter, tag, seed)
        # A made image has its answer by construction, and no scene.
        answers = [c.result.answer if c.question.image.made else truth.answer(c.question) for c in asked]
        return [
            replace(candidate, result=replace(candidate.result, answer=answer, confidence=1.0))
            for candidate, answer in zip(asked, answers, strict=True)
            if answer is not None
        ]

    def requests(self) -> tuple[ExtraRequests, ...]:
        return self.source.requests()
