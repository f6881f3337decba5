"""Claims of an answer: yes/no questions whose answers follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from visplay.answers import match
from visplay.labeling.language.meaning import OPPOSITES, Meaning, simple_question
from visplay.labeling.language.statement import Statement


@dataclass(frozen=True, slots=True)
class Claim:
    """A yes/no question and the answer that follows from a statement."""

    question: str
    answer: Literal["yes", "no"]

    def denied_by(self, answer: str) -> bool:
        """Whether `answer` is the opposite; an answer other than yes and no denies nothing."""
        return match(answer, "no" if self.answer == "yes" else "yes")


def claims(statement: Statement) -> tuple[Claim, ...]:
    """Two claims of a statement, one with the answer yes and one with no; none for "more".

    If a relation between two things does not hold, its opposite is assumed to hold. This is wrong if neither holds, as
    for "above" with things side by side; then half of the replies deny the claims.
    """
    meaning, amount = statement.meaning, statement.amount
    if amount is not None:
        exists = Meaning("exists", (amount.noun,))
        return _both(exists, replace(exists, negated=True), amount.least > 0)
    if meaning.kind == "relation":
        return _both(meaning, replace(meaning, word=OPPOSITES[meaning.word]), statement.holds)
    return ()


def _both(meaning: Meaning, opposite: Meaning, holds: bool) -> tuple[Claim, ...]:
    return (
        Claim(simple_question(meaning), "yes" if holds else "no"),
        Claim(simple_question(opposite), "no" if holds else "yes"),
    )
