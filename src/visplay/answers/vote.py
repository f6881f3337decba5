"""Comparison of answers, and the majority of several: the silver answer and its confidence (arXiv 2511.15661)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from visplay.answers.normalise import Answer, normalise
from visplay.answers.quantity import same_quantity


def match(given: str, reference: str) -> bool:
    """Whether two answers mean the same; blank answers match nothing.

    `A` = `A. red` = `(a)`, `3 cats` = `3` = `three`, `on the left` = `left`, `50%` = `0.5`, `5 cm` = `50 mm`;
    `12` ≠ `120`, `not red` ≠ `red`, `3` ≠ `3.4`, `5 cm` ≠ `5 m`. A missing unit, option text or preposition of place
    matches any, so the relation is reflexive and symmetric but not transitive. Never raises.
    """
    return bool(given.strip() and reference.strip()) and _same(normalise(given), normalise(reference))


def _same(left: Answer, right: Answer) -> bool:
    if not (left.core and right.core):
        return False
    if left == right:
        return True
    if left.kind != right.kind:
        option, other = (left, right) if left.kind == "letter" else (right, left)
        return option.wording is not None and _same(option.wording, other)
    if left.quantity and right.quantity:
        return same_quantity(left.quantity, right.quantity)
    same_place = not left.preposition or not right.preposition or left.preposition == right.preposition
    same_wording = left.wording is None or right.wording is None or _same(left.wording, right.wording)
    return left.core == right.core and same_place and same_wording


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
