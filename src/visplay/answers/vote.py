"""Majority vote over typed answers: the silver answer and its confidence (arXiv 2511.15661)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from visplay.answers.match import same
from visplay.answers.normalise import Answer, normalise

Key = TypeVar("Key", bound=Hashable)


def vote(answers: Sequence[str | None], weights: Sequence[float] | None = None) -> tuple[str | None, float, int]:
    """The majority answer, its share of all votes, and the number of votes without an answer.

    Equal answers are counted first. Then each distinct answer, the most frequent first, joins the first group in which
    it matches every member. A bare `5` can therefore join `5 cm` or `5 m`, but never merges the two. Ties go to the
    group that was seen first. None and blank answers match nothing, but count in the denominator.

    Args:
        weights: weight of each vote, all 1 by default; majority and share are by weight.
    Returns:
        `(answer, confidence, unboxed)`: the most frequent spelling in the winning group (None if no vote has an
        answer), the group's votes divided by `len(answers)` (0.0 without votes), and the number of None or blank
        answers.
    Raises:
        ValueError: a weight is missing or not positive.
    """
    weights = [1.0] * len(answers) if weights is None else weights
    if len(weights) != len(answers) or any(not weight > 0 for weight in weights):
        raise ValueError(f"{len(answers)} votes need as many positive weights, not {list(weights)}")
    ballots = zip(answers, weights, strict=True)
    written = [(answer.strip(), weight) for answer, weight in ballots if answer is not None and answer.strip()]
    unboxed = len(answers) - len(written)
    if not written:
        return None, 0.0, unboxed
    forms = {writing: normalise(writing) for writing, _ in written}
    # In all three rankings ties go to the first: `_ranked` keeps the order of first appearance.
    groups = _groups(_ranked((forms[writing], weight) for writing, weight in written))
    group_of = {form: index for index, group in enumerate(groups) for form in group}
    (winner, weight), *_ = _ranked((group_of[forms[writing]], weight) for writing, weight in written)
    (answer, _), *_ = _ranked(ballot for ballot in written if group_of[forms[ballot[0]]] == winner)
    # min: two sums of the same weights can differ in the last digit.
    return answer, min(1.0, weight / sum(weights)), unboxed


def _ranked(ballots: Iterable[tuple[Key, float]]) -> list[tuple[Key, float]]:
    """Distinct keys with the sums of their weights, largest first."""
    total: dict[Key, float] = {}
    for key, weight in ballots:
        total[key] = total.get(key, 0.0) + weight
    return sorted(total.items(), key=lambda entry: -entry[1])


def _groups(counted: Iterable[tuple[Answer, float]]) -> list[list[Answer]]:
    groups: list[list[Answer]] = []
    for form, _ in counted:
        matching = next((group for group in groups if all(same(form, member) for member in group)), None)
        if matching is None:
            groups.append([form])
        else:
            matching.append(form)
    return groups
