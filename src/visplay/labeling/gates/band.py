"""The band: a question that is neither hopeless nor already known (arXiv 2511.15661)."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import guesses
from visplay.labeling.candidate import Candidate
from visplay.rl.rewards import above_chance, in_band


class Band:
    """Drops a question whose confidence lies below `low` or above `high`.

    Args:
        corrected: where answers can be counted, `low` is held against what confidence is above chance: half of
            the votes agree on a coin's yes or no.
    """

    def __init__(self, low: float, high: float, corrected: bool = False) -> None:
        self.low = low
        self.high = high
        self.corrected = corrected

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        found: dict[str, str] = {}
        for candidate in candidates:
            confidence = candidate.result.confidence
            options = guesses(candidate.result.answer or "", candidate.question.text) if self.corrected else None
            sure = above_chance(confidence, options) if options else confidence
            if not in_band(confidence, self.low, self.high) or sure < self.low:
                told = f"{confidence:.2f}, {sure:.2f} above chance," if options else f"{confidence:.2f}"
                found[candidate.question.id] = f"confidence {told} outside {self.low:g} to {self.high:g}"
        return found
