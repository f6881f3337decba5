"""The band: a question that is neither hopeless nor already known (arXiv 2511.15661)."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import normalise
from visplay.rewards import above_chance, in_band
from visplay.silver.candidate import Candidate


class Band:
    """Drops a question whose confidence lies below `low` or above `high`.

    Args:
        corrected: of a yes/no question, `low` is held against what its confidence is above chance: half of
            the votes agree on a coin's answer.
    """

    def __init__(self, low: float, high: float, corrected: bool = False) -> None:
        self.low = low
        self.high = high
        self.corrected = corrected

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        found: dict[str, str] = {}
        for candidate in candidates:
            confidence = candidate.tally.confidence
            guess = self.corrected and normalise(candidate.tally.answer or "").kind == "yes/no"
            sure = above_chance(confidence, 2) if guess else confidence
            if not in_band(confidence, self.low, self.high) or sure < self.low:
                above = f", {sure:.2f} above chance," if guess else ""
                found[candidate.question.id] = (
                    f"confidence {confidence:.2f}{above} outside {self.low:g} to {self.high:g}"
                )
        return found
