"""The seam of image sources: the unlabeled images, and the observer that measures against their truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from visplay.interfaces.component import Component
from visplay.interfaces.labeler import Voter
from visplay.types import Candidate, Group, ImageRef, Question, SilverItem


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that could not be used: its path in the source, with "/" between parts, and the reason.

    Example: `Skipped("2024/beach.heic", "not an image, or of a format that cannot be read")`.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The readable images of a `source`, as the user wrote it, at least one; and files that could not be used.

    Images have unique ids, and their order depends on their names alone. Skipped files are ordered by path. `linked`
    names what was also read, in words, such as a link to a folder elsewhere.
    """

    source: str
    images: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...] = ()
    linked: tuple[str, ...] = ()


class Observer(Protocol):
    """Compares the results of a phase with a truth that training never sees; no phase reads the metrics."""

    def on_silver_set(
        self, candidates: Sequence[Candidate], kept: Collection[str], voter: Voter, votes: int, compared: int
    ) -> Mapping[str, Any]:
        """Metrics of a silver set with the questions `kept`, such as the share of true labels.

        Args:
            votes: answers per question.
            compared: the first so many candidates are also labelled in another way, for comparison.
        """

    def on_verdict(
        self, questions: Sequence[Question], before: Mapping[str, str | None], now: Mapping[str, str | None]
    ) -> Mapping[str, Any]:
        """Metrics of how true earlier and present answers to the frozen questions are; answers are by question id."""

    def on_reasoner_step(
        self, items: Sequence[SilverItem], groups: Sequence[Group], advantages: Sequence[Sequence[float]]
    ) -> Mapping[str, Any]:
        """Metrics of a training step: how true its rewards and labels are.

        Args:
            groups, advantages: the completions of each item with their rewards, and the advantage of each completion.
        """


class ImageSource(Component, seam="image_source"):
    """A source of unlabeled images."""

    is_lab: ClassVar[bool] = False
    """The images are the lab's, which its suites are about."""

    def open(self, seed: int) -> Catalogue:
        """All images of the source; one that draws its images uses the run's seed.

        Raises:
            ImageError: the source cannot be used.
        """
        raise NotImplementedError

    def observer(self, seed: int) -> Observer | None:
        """The observer that compares labels and verdicts with the truth; None if the truth is not known."""
        return None

    @property
    def public_name(self) -> str:
        """The name that a model card may publish: it says nothing of this machine."""
        return str(self)

    @classmethod
    def from_text(cls, text: str) -> Mapping[str, Any] | Self:
        """`easy-vqa`, `lab/STYLE`, both joined by "+", or a folder (`./easy-vqa` is a folder)."""
        parts = text.split("+")
        if len(parts) > 1 and all(part == "easy-vqa" or part.startswith("lab/") for part in parts):
            return {"type": "mixture", "parts": parts}
        if text == "easy-vqa":
            return {"type": text}
        if text.startswith("lab/"):
            return {"type": "lab", "style": text.removeprefix("lab/")}
        return {"type": "folder", "path": text}
