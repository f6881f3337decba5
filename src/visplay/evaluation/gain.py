"""Where a gain comes from: better answers, or answers that are better written.

The strict reader counts boxes alone; the tolerant one (`visplay.answers.loose`) also takes what is plainly said. What a
model gains by the tolerant reader is gained in its answers; what it gains by the strict one beyond that is format:

    total = strict after - strict before
    answer = tolerant after - tolerant before
    format = total - answer

All three are means over the same items, so each has an interval that is paired by item.
"""

from __future__ import annotations

from dataclasses import dataclass

from visplay.evaluation.results import SuiteResult
from visplay.evaluation.statistics import MeanDifference, PairedDifference, bootstrap_mean


@dataclass(frozen=True, slots=True)
class Gain:
    """The parts of a difference, fractions in [-1, 1]; `answer.mean + format.mean` is `total.mean`."""

    total: PairedDifference
    answer: PairedDifference
    format: MeanDifference


def gain(after: SuiteResult, before: SuiteResult) -> Gain | None:
    """The difference of two models on the same items by its parts; None where no text was kept to read.

    Raises:
        ValueError: the two are not about the same items.
    """
    tolerant_after, tolerant_before = after.tolerant, before.tolerant
    if tolerant_after is None or tolerant_before is None:
        return None
    total = after.difference_to(before)
    answer = tolerant_after.difference_to(tolerant_before)
    return Gain(total, answer, bootstrap_mean(format_changes(after, before)))


def format_changes(after: SuiteResult, before: SuiteResult) -> list[int]:
    """What each item gains by its box alone: -1, 0 or 1; both have texts and the same items."""
    owed_after, owed_before = _owed_to_reading(after), _owed_to_reading(before)
    return [owed_before[item] - owed_after[item] for item in owed_before]


def _owed_to_reading(result: SuiteResult) -> dict[str, int]:
    """1 for an item that only the tolerant reader counts as right."""
    return {mark.item_id: int(bool(mark.loose)) - int(mark.correct) for mark in result.answered}
