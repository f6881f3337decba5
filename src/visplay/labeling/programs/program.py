"""A program: a question whose answer is computed from a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from visplay.types import QuestionType

Skill = Literal[
    "attribute",
    "existence",
    "counting",
    "comparison",
    "relation",
    "superlative",
    "two-hop",
    "arithmetic",
    "reading",
    "premise",
]
"""What a question asks for. A `premise` is false: the question is about a thing that is not there."""

UNKNOWN = "unknown"
"""The answer to a question whose premise is false; any other way to decline is as right."""


@dataclass(frozen=True, slots=True)
class Program:
    """A question with its answer.

    Attributes:
        family: the name of the family that wrote it, such as "left-of".
        hops: facts of the record that the answer combines, 1 to 3.
        wordings: the question in several wordings, the plainest first.
        answer: what follows from the record.
        options: texts of the options, the right one among them; empty for a question without options.
    """

    family: str
    skill: Skill
    hops: int
    type: QuestionType
    wordings: tuple[str, ...]
    answer: str
    options: tuple[str, ...] = ()

    @property
    def has_false_premise(self) -> bool:
        """Whether it is about a thing that is not there, so that the answer is `UNKNOWN`."""
        return self.skill == "premise"
