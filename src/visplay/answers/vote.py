"""Majority vote over typed answers (arXiv 2511.15661: silver answer and its confidence)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from visplay.answers.match import same
from visplay.answers.normalise import Answer, normalise


def vote(answers: Sequence[str | None]) -> tuple[str | None, float, int]:
    """The majority answer, its share of all votes, and how many votes had no answer.

    Equal answers are counted first; then each distinct one, commonest first, joins the first
    group all of whose members it matches. So a bare `5` may count with `5 cm` or with `5 m`,
    but never brings the two together. Ties go to the group seen first. No box, no vote: None
    and blank answers agree with nothing, but stay in the denominator.

    Returns:
        `(answer, confidence, unboxed)`: the commonest writing in the winning group (None when
        nobody answered), its votes divided by `len(answers)` (0.0 for no votes), and the number
        of None or blank answers.
    """
    written = [answer.strip() for answer in answers if answer is not None and answer.strip()]
    unboxed = len(answers) - len(written)
    if not written:
        return None, 0.0, unboxed
    forms = {writing: normalise(writing) for writing in written}
    # most_common keeps the order of first appearance among equals, which settles all ties.
    groups = _groups(Counter(forms[writing] for writing in written).most_common())
    group_of = {form: index for index, group in enumerate(groups) for form in group}
    winner = Counter(group_of[forms[writing]] for writing in written).most_common(1)[0][0]
    writings = Counter(writing for writing in written if group_of[forms[writing]] == winner)
    return writings.most_common(1)[0][0], writings.total() / len(answers), unboxed


def _groups(counted: Iterable[tuple[Answer, int]]) -> list[list[Answer]]:
    groups: list[list[Answer]] = []
    for form, _ in counted:
        home = next((group for group in groups if all(same(form, member) for member in group)), None)
        if home is None:
            groups.append([form])
        else:
            home.append(form)
    return groups
