"""A question that may become silver: with its votes and what they came to."""

from __future__ import annotations

from dataclasses import dataclass

from visplay.types import Question, Vote, VoteResult


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid, distinct question with its votes and their result."""

    question: Question
    votes: tuple[Vote, ...]
    result: VoteResult
