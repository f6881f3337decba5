"""The seam of labelers: from questions and the Reasoner's answers to silver answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from visplay.interfaces.component import Component
from visplay.types import Augmentation, Candidate, ImageRef, Question, Vote, WrittenRecord


class Voter(Protocol):
    """What a labeler or a gate may ask: the Reasoner, never an oracle."""

    @property
    def lists_all(self) -> bool:
        """Whether a list of `facts` names every thing on an image, each by its one name."""

    def votes(
        self, questions: Sequence[Question], m: int, augmentations: Sequence[Augmentation] = ("plain",)
    ) -> Mapping[str, tuple[Vote, ...]]:
        """`m` sampled answers to each question, by question id, spread evenly over augmentations of its image."""

    def facts(
        self, questions: Sequence[Question], n: int, augmentations: Sequence[Augmentation]
    ) -> Mapping[str, tuple[tuple[str, ...], ...]]:
        """Up to `n` lists of the things on each question's image, by image id."""

    def records(
        self,
        about: Sequence[Question | ImageRef],
        n: int,
        augmentations: Sequence[Augmentation],
        tag: str = "record",
        schema: str = "",
    ) -> Mapping[str, tuple[WrittenRecord, ...]]:
        """Up to `n` records of each image, or of each question's image, by image id, as they were written.

        `visplay.labeling.records.asking` asks for them with the schema, and reads them. `tag` is the first part of the
        requests' ids.
        """


@dataclass(frozen=True, slots=True)
class ExtraRequests:
    """The requests of a component to the Reasoner, per image with its questions; `visplay plan` counts them.

    Example: `ExtraRequests("votes", versions=4, prompts=2, completions=4)` for two questions about an image, eight
    votes each, spread over four augmentations.

    Attributes:
        kind: "votes" are answers to questions, "claims" are yes and no, "lists" are lists of the things on an image,
            "records" its records.
        versions: versions of the image that are encoded.
        prompts, completions: on each version; the completions are those of all prompts.
    """

    kind: Literal["votes", "claims", "lists", "records"]
    versions: int
    prompts: int
    completions: int


class Labeler(Component, seam="labeler"):
    """Puts questions to the Reasoner and decides their silver answers."""

    def check_run(self, run: Any) -> None:
        """Refuse a run, by its `visplay.config.Settings`, whose questions it cannot label.

        Raises:
            ValueError: one line that says why.
        """

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        """Each question with its votes, so many answers of the Reasoner, and their result, in order.

        A question whose result has no answer has no silver answer, and is never learned from. A candidate's `evidence`
        says what else was read.
        """
        raise NotImplementedError

    def requests(self, questions: int, votes: int) -> tuple[ExtraRequests, ...]:
        """What `label` asks about an image with that many questions."""
        return (ExtraRequests("votes", 1, questions, questions * votes),)
