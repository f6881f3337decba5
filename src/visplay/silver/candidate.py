"""A question that may become silver: with its votes and what they came to."""

from __future__ import annotations

from dataclasses import dataclass

from visplay.records import Question, Tally, Vote


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid, distinct question with its votes and their tally."""

    question: Question
    votes: tuple[Vote, ...]
    tally: Tally
