"""The gate `band`: a question must be neither hopeless nor already solved (arXiv 2511.15661, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator

from visplay.answers import guesses
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.rl.rewards.difficulty import above_chance
from visplay.types import Candidate


class Band(Gate, type="band"):
    """Rejects a question whose confidence is outside [low, high].

    The computed answer of a task source has no votes, so its confidence is no measure of difficulty, and it passes.
    """

    low: float = Field(0.25, ge=0, le=1, description="lowest confidence kept (paper: 0.25, official: 0.3)")
    high: float = Field(0.75, ge=0, le=1, description="highest confidence kept (paper 0.75, official 0.8)")
    chance_corrected: bool = Field(
        False,
        description="compare `low` also with the confidence above chance, if the possible answers can be counted: for "
        "a yes/no question, 0.6 is 80 % of the votes",
    )

    @model_validator(mode="after")
    def _is_ordered(self) -> Band:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        found: dict[str, str] = {}
        for candidate in candidates:
            if candidate.question.source != "questioner" and not candidate.result.votes:
                continue
            confidence = candidate.result.confidence
            options = guesses(candidate.result.answer or "", candidate.question.text) if self.chance_corrected else None
            corrected = above_chance(confidence, options) if options else confidence
            if not self.low <= confidence <= self.high or corrected < self.low:
                shown = f"{confidence:.2f}, {corrected:.2f} above chance," if options else f"{confidence:.2f}"
                found[candidate.question.id] = f"confidence {shown} outside {self.low:g} to {self.high:g}"
        return found
