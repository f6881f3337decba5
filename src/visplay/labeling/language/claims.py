"""What an answer claims: yes/no questions that it settles, asked so that both yes and no are right once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from visplay.answers import match
from visplay.labeling.language.meaning import OPPOSITES, Meaning, plain_question
from visplay.labeling.language.statement import Statement


@dataclass(frozen=True, slots=True)
class Claim:
    """A yes/no question with the answer that follows from a statement."""

    question: str
    answer: Literal["yes", "no"]

    def denied_by(self, answer: str) -> bool:
        """Whether `answer` says the opposite; what is neither yes nor no denies nothing."""
        return match(answer, "no" if self.answer == "yes" else "yes")


def claims(statement: Statement) -> tuple[Claim, ...]:
    """What a statement settles, asked so that yes is right once and no is right once; none for "more".

    Of two things that are compared, the opposite is taken to hold where the relation does not. Where neither holds,
    as with things side by side of which one is said not to be above the other, half of the replies deny the claims.
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
        Claim(plain_question(meaning), "yes" if holds else "no"),
        Claim(plain_question(opposite), "no" if holds else "yes"),
    )
