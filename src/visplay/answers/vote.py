"""Majority vote over typed answers (arXiv 2511.15661: silver answer and its confidence)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from visplay.answers.match import same
from visplay.answers.normalise import Answer, normalise

Key = TypeVar("Key", bound=Hashable)


def vote(answers: Sequence[str | None], weights: Sequence[float] | None = None) -> tuple[str | None, float, int]:
    """The majority answer, its share of all votes, and how many votes had no answer.

    Equal answers are counted first; then each distinct one, commonest first, joins the first
    group all of whose members it matches. So a bare `5` may count with `5 cm` or with `5 m`,
    but never brings the two together. Ties go to the group seen first. No box, no vote: None
    and blank answers agree with nothing, but stay in the denominator.

    Args:
        weights: how much each vote counts, all 1 when left out; the majority and its share are then of the weight.
    Returns:
        `(answer, confidence, unboxed)`: the commonest writing in the winning group (None when
        nobody answered), its votes divided by `len(answers)` (0.0 for no votes), and the number
        of None or blank answers.
    Raises:
        ValueError: not one weight an answer, or one that is not positive.
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
    # Of equals the first counts, in all three rankings: `_ranked` keeps the order of first appearance.
    groups = _groups(_ranked((forms[writing], weight) for writing, weight in written))
    group_of = {form: index for index, group in enumerate(groups) for form in group}
    (winner, weight), *_ = _ranked((group_of[forms[writing]], weight) for writing, weight in written)
    (answer, _), *_ = _ranked(ballot for ballot in written if group_of[forms[ballot[0]]] == winner)
    # Two sums of the same weights may differ in their last digit; a share is never above 1.
    return answer, min(1.0, weight / sum(weights)), unboxed


def _ranked(ballots: Iterable[tuple[Key, float]]) -> list[tuple[Key, float]]:
    """What was voted for with the sum of its weights, heaviest first."""
    total: dict[Key, float] = {}
    for key, weight in ballots:
        total[key] = total.get(key, 0.0) + weight
    return sorted(total.items(), key=lambda entry: -entry[1])


def _groups(counted: Iterable[tuple[Answer, float]]) -> list[list[Answer]]:
    groups: list[list[Answer]] = []
    for form, _ in counted:
        home = next((group for group in groups if all(same(form, member) for member in group)), None)
        if home is None:
            groups.append([form])
        else:
            home.append(form)
    return groups
