"""Comparison of answers, and the majority of several: the silver answer and its confidence (arXiv 2511.15661)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from visplay.answers.formula import has_variables
from visplay.answers.normalise import Answer, normalise
from visplay.answers.quantity import same_quantity
from visplay.answers.series import UNORDERED
from visplay.answers.symbolic import same_equation, same_formula
from visplay.answers.units import same_unit

_ONE_MEANING = ({"", "-"}, {"", ":"}, {",", "()"}, {",", "{}"}, {",", "or"}, {"or", "{}"})
_COEFFICIENT = re.compile(r"(?<![_0-9])[0-9]+[a-z]|[a-z)]\^")
_EQUATION = re.compile(r"[0-9A-Za-zα-ω+\-*/^()√.]+")


def match(given: str, reference: str) -> bool:
    """Whether two answers mean the same; blank answers match nothing.

    `A` = `A. red` = `(a)`, `3 cats` = `3` = `three`, `on the left` = `left`, `50%` = `0.5`, `5 cm` = `50 mm`;
    `12` ≠ `120`, `not red` ≠ `red`, `3` ≠ `3.4`, `5 cm` ≠ `5 m`. A missing unit, option text or preposition of place
    matches any, so the relation is reflexive and symmetric but not transitive. Never raises.
    """
    return bool(given.strip() and reference.strip()) and _same(normalise(given), normalise(reference))


@lru_cache(maxsize=65536)
def _same(left: Answer, right: Answer) -> bool:
    if not (left.core and right.core):
        return False
    if left == right:
        return True
    if "letter" in (left.kind, right.kind) and left.kind != right.kind:
        option, other = (left, right) if left.kind == "letter" else (right, left)
        return option.wording is not None and _same(option.wording, other)
    if left.name != right.name:
        if left.name and right.name:
            return _same_equations(left, right)
        if _relates(left) or _relates(right):
            return False
    if left.parts and right.parts:
        return _same_parts(left, right)
    if left.quantity and right.quantity:
        return same_quantity(left.quantity, right.quantity)
    if left.formula or right.formula:
        return _same_formulas(left, right)
    return left.kind == right.kind and _same_words(left, right)


def _same_words(left: Answer, right: Answer) -> bool:
    same_place = not left.preposition or not right.preposition or left.preposition == right.preposition
    same_wording = left.wording is None or right.wording is None or _same(left.wording, right.wording)
    same_case = not left.cased or not right.cased or left.cased == right.cased
    same_words = left.core == right.core or bool(left.closed and left.closed == right.closed)
    return same_words and same_place and same_wording and same_case


def _same_parts(left: Answer, right: Answer) -> bool:
    signs = {left.sign, right.sign}
    if len(left.parts) != len(right.parts) or not (len(signs) == 1 or any(signs <= group for group in _ONE_MEANING)):
        return False
    if not signs & UNORDERED:
        return all(map(_same, left.parts, right.parts))
    here, there = left.parts, right.parts
    return all(any(_same(one, other) for other in there) for one in here) and all(
        any(_same(one, other) for one in here) for other in there
    )


def _same_formulas(left: Answer, right: Answer) -> bool:
    """By symbolic equality; one of both may be a number."""
    sides = [_measured(left), _measured(right)]
    if not all(formula for formula, *_ in sides) or not same_unit(sides[0][1], sides[1][1]):
        return False
    if all(unit for _, unit, _ in sides):
        sides = [(formula if scale == 1 else f"({formula})*({scale})", unit, scale) for formula, unit, scale in sides]
    steps = [answer.quantity.step for answer in (left, right) if answer.quantity]
    first, second = sorted(formula for formula, *_ in sides)
    return first == second or same_formula(first, second, str(max(steps, default=0)))


def _measured(answer: Answer) -> tuple[str, str, Fraction]:
    """Formula, dimension and size of the unit of a number or of a formula."""
    if answer.quantity:
        return f"({answer.quantity.value})", answer.quantity.unit, answer.quantity.scale
    return answer.formula, *(answer.unit or ("", Fraction(1)))


def _relates(answer: Answer) -> bool:
    """Whether an answer is an equation of variables, as `2x + z = 1`, and not the value of a name, as `m + n = 5`."""
    if not any(sign.isalpha() for sign in answer.name):
        return bool(answer.name) and has_variables(answer.formula)
    return _COEFFICIENT.search(answer.name) is not None


def _same_equations(left: Answer, right: Answer) -> bool:
    if all(len(answer.name) == 1 for answer in (left, right)) or any(
        not _EQUATION.fullmatch(answer.name) for answer in (left, right)
    ):
        return False
    first, second = sorted((answer.name, _measured(answer)[0]) for answer in (left, right))
    return bool(first[1] and second[1]) and same_equation(first, second)


def vote(answers: Sequence[str | None]) -> tuple[str | None, float, int]:
    """The majority answer, its share of all votes, and the number of votes without an answer.

    Equal answers are counted first. Then each distinct answer, the most frequent first, joins the first group in which
    it matches every member. A bare `5` can therefore join `5 cm` or `5 m`, but never merges the two. Ties go to the
    group that was seen first, and its most frequent spelling is the answer. None and blank answers match nothing, but
    count in the denominator. Without an answer, the result is None with a share of 0.0.
    """
    spellings = [answer.strip() for answer in answers if answer is not None and answer.strip()]
    unboxed = len(answers) - len(spellings)
    if not spellings:
        return None, 0.0, unboxed
    forms = [normalise(spelling) for spelling in spellings]
    groups: list[list[Answer]] = []
    # Of equal counts, `most_common` keeps the order of first appearance.
    for form, _ in Counter(forms).most_common():
        joined = next((group for group in groups if all(_same(form, member) for member in group)), None)
        if joined is None:
            groups.append([form])
        else:
            joined.append(form)
    group_of = {form: index for index, group in enumerate(groups) for form in group}
    (winner, votes), *_ = Counter(group_of[form] for form in forms).most_common(1)
    won = [spelling for spelling, form in zip(spellings, forms, strict=True) if group_of[form] == winner]
    return Counter(won).most_common(1)[0][0], votes / len(answers), unboxed


def counted(answers: Sequence[str | None]) -> list[tuple[str, int]]:
    """Answers with how many gave them, the most frequent first; those that mean the same are one, as in `vote`."""
    left = list(answers)
    found: list[tuple[str, int]] = []
    while (answer := vote(left)[0]) is not None:
        rest = [given for given in left if given is None or (given.strip() != answer and not match(given, answer))]
        found.append((answer, len(left) - len(rest)))
        left = rest
    return sorted(found, key=lambda entry: -entry[1])
