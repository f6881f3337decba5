"""Whether several statements can all be true of one image.

Each is brought to differences: there is one red circle at least; the circle's place from left to right comes before
the cross's. They can all be met unless some of them, taken in a circle, put a value before itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, permutations
from math import inf

from visplay.answers import match
from visplay.labeling.language.meaning import SCALES, Meaning
from visplay.labeling.language.nouns import names
from visplay.labeling.language.statement import Amount, Statement

Value = tuple[str, str]
"""What is compared: a scale and a noun, as in ("count", "red circle")."""
_ZERO: Value = ("count", "")


def possible(statements: Sequence[Statement]) -> bool:
    """Whether there can be an image of which all of them are true."""
    if any(_rivals(one, other) for one, other in combinations(statements, 2)):
        return False
    most: dict[tuple[Value, Value], float] = {}  # the greatest difference of a first value to a second
    for less, more, by in _differences(statements):
        most[less, more] = min(most.get((less, more), inf), -by)
    values = {value for pair in most for value in pair}
    for via in values:
        for less in values:
            for more in values:
                through = most.get((less, via), inf) + most.get((via, more), inf)
                most[less, more] = min(most.get((less, more), inf), through)
    return all(most[value, value] >= 0 for value in values)


def contradicting(statement: Statement, others: Sequence[Statement]) -> tuple[Statement, ...]:
    """One or two of `others`, possible without it, that cannot be true beside `statement`; empty if there are none.

    A statement that cannot be true at all contradicts itself.
    """
    if not possible([statement]):
        return (statement,)
    for size in (1, 2):
        for some in combinations(others, size):
            # Three contradict one another, and no two of them, only over what compares two things.
            if size == 2 and all(len(one.meaning.nouns) == 1 for one in (statement, *some)):
                continue
            if possible(some) and not possible((statement, *some)):
                return some
    return ()


def _rivals(one: Statement, other: Statement) -> bool:
    """Whether they give one thing two colours or two names."""
    asked = one.meaning.kind in ("attribute", "which") and one.meaning == other.meaning
    return asked and not match(one.answer, other.answer)


def _differences(statements: Iterable[Statement]) -> Iterator[tuple[Value, Value, int]]:
    """Triples of a value, one that is not less, and by how much it is more at least."""
    counted: set[str] = set()
    for statement in statements:
        meaning, amount = statement.meaning, statement.amount
        counted.update([amount.noun] if amount else meaning.nouns)
        yield from _amount(amount) if amount else _comparison(meaning, statement.holds)
    yield from ((_ZERO, ("count", noun), 0) for noun in counted)
    for part, whole in permutations(counted, 2):
        if names(whole, part):
            yield ("count", part), ("count", whole), 0


def _amount(amount: Amount) -> Iterator[tuple[Value, Value, int]]:
    number = ("count", amount.noun)
    yield _ZERO, number, amount.least
    if amount.most is not None:
        yield number, _ZERO, -amount.most


def _comparison(meaning: Meaning, holds: bool) -> Iterator[tuple[Value, Value, int]]:
    scale = SCALES.get(meaning.word, "count")
    less, more = ((scale, noun) for noun in meaning.nouns)
    if meaning.word != scale:  # "right of" and the like, and "more"
        less, more = more, less
    yield (less, more, 1) if holds else (more, less, 0)
    if meaning.kind == "relation":  # speaks of two things as being there
        yield from ((_ZERO, ("count", noun), 1) for noun in meaning.nouns)
