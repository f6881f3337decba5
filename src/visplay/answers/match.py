"""Comparison of two answers."""

from __future__ import annotations

from visplay.answers.normalise import Answer, normalise
from visplay.answers.quantity import same_quantity


def match(given: str, reference: str) -> bool:
    """Whether two answers mean the same; blank answers match nothing.

    `A` = `A. red` = `(a)`, `3 cats` = `3` = `three`, `on the left` = `left`, `50%` = `0.5`, `5 cm` = `50 mm`;
    `12` ≠ `120`, `not red` ≠ `red`, `3` ≠ `3.4`, `5 cm` ≠ `5 m`. A missing unit, option text or preposition of place
    matches any, so the relation is reflexive and symmetric but not transitive. Never raises.
    """
    return bool(given.strip() and reference.strip()) and same(normalise(given), normalise(reference))


def same(left: Answer, right: Answer) -> bool:
    """`match` for normalised answers."""
    if not (left.core and right.core):
        return False
    if left == right:
        return True
    if left.kind != right.kind:
        option, other = (left, right) if left.kind == "letter" else (right, left)
        return option.wording is not None and same(option.wording, other)
    if left.quantity and right.quantity:
        return same_quantity(left.quantity, right.quantity)
    return (
        left.core == right.core
        and _compatible(left.preposition, right.preposition)
        and (left.wording is None or right.wording is None or same(left.wording, right.wording))
    )


def _compatible(left: str, right: str) -> bool:
    return not left or not right or left == right
