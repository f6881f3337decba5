"""Every question of a run with its votes, reward and verdict: found, filtered, sorted, one by one.

    gallery = Gallery(run)
    page = gallery.find(Filter(iteration=2, kept=False, text="how many"), order="confidence", start=0, count=50)
    item = gallery.item(page.rows[0].id)
    story = gallery.story(item.image)

A run writes down all it asks (`silver/record.py`); of one that did not, only the silver sets are there: kept questions
alone, and `Gallery.note` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visplay.config import Settings

Order = Literal["time", "-time", "confidence", "-confidence", "reward", "-reward", "text"]


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; None and empty texts ask for nothing.

    Attributes:
        phase: "questioner", "silver", or "accept" (questions about the pictures held out to judge by; iteration 0 asks
            as the base does).
        least, most: confidence, both ends included.
        gate: what dropped it: a gate's name, "unlabelled" (no silver answer) or "invalid" (not in the agreed form).
        text: part of the question, of its silver answer or of a vote's text, in any case.
        image: the picture's id, whole.
    """

    iteration: int | None = None
    phase: str | None = None
    type: str | None = None
    least: float = 0.0
    most: float = 1.0
    kept: bool | None = None
    gate: str | None = None
    text: str = ""
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A question in a list.

    Attributes:
        id: unique in the run.
        type: empty for what is not in the agreed form; `question` is then the text as it was written.
        answer: silver answer, None where there is none.
        kept: in the silver set; in the phases "questioner" and "accept": passed every gate.
        gate: what dropped it, as in `Filter`; None for what was kept.
        reward: of the phase "questioner" alone, else None.
    """

    id: str
    iteration: int
    phase: str
    step: int
    image: str
    type: str
    question: str
    answer: str | None
    confidence: float
    kept: bool
    gate: str | None
    reward: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list: `rows` from `start` on, of `total` that match."""

    rows: tuple[Row, ...]
    start: int
    total: int


@dataclass(frozen=True, slots=True)
class ShownVote:
    """One answer of the Reasoner: what was boxed (None: nothing), how it came to it, and how it saw the picture.

    `logprob` is the mean natural-log probability of a token. `agrees`: it counts for the majority.
    """

    answer: str | None
    text: str
    view: str
    logprob: float
    agrees: bool


@dataclass(frozen=True, slots=True)
class RewardParts:
    """Of what a Questioner's reward is made.

    Attributes:
        alone: what the question would earn if nothing else resembled it: its difficulty, 0 behind a gate.
        alike: what it pays for the questions of its group that resemble it (λ · share).
        before: what it pays for having been asked in earlier steps.
        reward: what it earned.
        rule: `questioner.reward` of the run's settings: "paper", "official", "honest", "format", "random".
    """

    alone: float
    alike: float
    before: float
    reward: float
    rule: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One question in full.

    Attributes:
        majority, majority_share: of the votes alone; `answer` and `confidence` are what the labeler made of them.
        reason: why the gate dropped it, empty for what was kept.
        parts: None in other phases than "questioner".
    """

    row: Row
    votes: tuple[ShownVote, ...]
    majority: str | None
    majority_share: float
    unboxed: int
    reason: str
    parts: RewardParts | None


@dataclass(frozen=True, slots=True)
class Then:
    """What was asked about one picture in one iteration, in the order in which it was asked."""

    iteration: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the Reasoner of an iteration answers to a frozen question; iteration 0 is the base."""

    iteration: int
    answer: str | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Anchored:
    """A question that acceptance froze, and what is answered to it through the iterations."""

    question: str
    opinions: tuple[Opinion, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """One picture through the iterations: what it asked then, what it asks now.

    Pictures held out to judge by are asked about in every iteration; of others an iteration draws new ones.
    """

    image: str
    iterations: tuple[Then, ...]
    anchored: tuple[Anchored, ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be filtered by, with the number of questions behind each; all phases together."""

    iterations: Mapping[int, int]
    phases: Mapping[str, int]
    types: Mapping[str, int]
    gates: Mapping[str, int]
    kept: int
    total: int


class Gallery:
    """An index over all questions of a run; looked at again and again, it reads what is new. One for each thread.

    Attributes:
        note: one line for the reader when questions are missing, else empty.
    """

    note: str

    def __init__(self, run: Path) -> None:
        raise NotImplementedError

    def choices(self) -> Choices:
        """What there is to filter by."""
        raise NotImplementedError

    def find(self, wanted: Filter, order: Order = "-time", start: int = 0, count: int = 50) -> Found:
        """Questions that match; "-time" has the latest first."""
        raise NotImplementedError

    def item(self, question_id: str) -> Shown | None:
        """One in full; None if there is no such question."""
        raise NotImplementedError

    def story(self, image: str) -> Story:
        """One picture through the iterations; without rows if nothing was asked about it."""
        raise NotImplementedError

    def storied(self, count: int = 50) -> tuple[str, ...]:
        """Ids of pictures that were asked about in more than one iteration, those in most iterations first."""
        raise NotImplementedError

    def texts(self, iteration: int) -> tuple[str, ...]:
        """The questions of an iteration's synthesis, for `health.signs`."""
        raise NotImplementedError


class Album:
    """The run's pictures, opened when the first is wanted.

    Args:
        settings: the run's, `load_settings(str(run / "config.yaml"))`.
    """

    def __init__(self, settings: Settings) -> None:
        raise NotImplementedError

    def thumbnail(self, image: str, side: int = 256) -> bytes | None:
        """PNG bytes, both sides at most `side` pixels (small pictures are enlarged by whole factors, unsmoothed).

        None for an id the source does not have, or when the source or file is gone.
        """
        raise NotImplementedError
