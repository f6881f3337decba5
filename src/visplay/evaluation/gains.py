"""What a model gained on suites: by better answers or by better format, on each suite and on the mean of all.

The strict reader counts boxed answers; the tolerant one (`visplay.answers.loose`) also takes what is plainly said:

    total = strict after - strict before
    answer = tolerant after - tolerant before
    format = total - answer

All three are means over the same items, so each has an interval paired by item. The macro mean weighs every benchmark
the same. A benchmark is a suite, or a lab task with its looks pooled; a suite that shares items with one before it
(`easy_vqa_open` is part of `easy_vqa`) is not counted again.
"""

from __future__ import annotations

from dataclasses import dataclass

from visplay.evaluation.results import Results, SuiteResult, pool_looks
from visplay.evaluation.statistics import MeanDifference, PairedDifference, bootstrap_macro_mean, bootstrap_mean


@dataclass(frozen=True, slots=True)
class Gain:
    """The parts of a difference on one suite, fractions in [-1, 1]; `answer.mean + format.mean` is `total.mean`."""

    total: PairedDifference
    answer: PairedDifference
    format: MeanDifference


@dataclass(frozen=True, slots=True)
class MacroGain:
    """The parts of a difference of macro means, as in `Gain`."""

    total: MeanDifference
    answer: MeanDifference
    format: MeanDifference


def gain(after: SuiteResult, before: SuiteResult) -> Gain:
    """The difference of two models on the same items, by its parts.

    Raises:
        ValueError: the two are not about the same items.
    """
    total, answer = after.difference_to(before), after.tolerant.difference_to(before.tolerant)
    return Gain(total, answer, bootstrap_mean(_format_changes(after, before)))


def benchmarks(results: Results) -> dict[str, SuiteResult]:
    """The suites that a macro mean is taken over, by name."""
    found: dict[str, SuiteResult] = {}
    counted: set[str] = set()
    for name, result in pool_looks(results.values()).items():
        if counted.isdisjoint(result.marks()):
            found[name] = result
            counted.update(result.marks())
    return found


def macro_mean(results: Results) -> MeanDifference:
    """Mean accuracy over `benchmarks`, a fraction, with the 95 % interval of a bootstrap within each.

    A benchmark with every answer right, or every one wrong, does not vary under a bootstrap.

    Raises:
        ValueError: no suite.
    """
    return bootstrap_macro_mean([[mark.correct for mark in each.answered] for each in benchmarks(results).values()])


def macro_gain(after: Results, before: Results) -> MacroGain:
    """Mean over `benchmarks` of their paired differences, by its parts.

    Raises:
        ValueError: the two are not about the same items.
    """
    ours, theirs = benchmarks(after), benchmarks(before)
    if ours.keys() != theirs.keys():
        raise ValueError(f"no macro difference between {', '.join(ours)} and {', '.join(theirs)}")
    pairs = [(ours[name], theirs[name]) for name in ours]
    return MacroGain(
        bootstrap_macro_mean([_changes(mine, other) for mine, other in pairs]),
        bootstrap_macro_mean([_changes(mine.tolerant, other.tolerant) for mine, other in pairs]),
        bootstrap_macro_mean([_format_changes(mine, other) for mine, other in pairs]),
    )


def _changes(after: SuiteResult, before: SuiteResult) -> list[int]:
    ours, theirs = after.marks(), before.marks()
    if ours.keys() != theirs.keys():
        raise ValueError(f"suite {after.name}: a paired difference needs the same items twice")
    return [ours[item] - theirs[item] for item in theirs]


def _format_changes(after: SuiteResult, before: SuiteResult) -> list[int]:
    """What each item gains by its box alone: -1, 0 or 1."""
    read_after, read_before = _only_read(after), _only_read(before)
    return [read_before[item] - read_after[item] for item in read_before]


def _only_read(result: SuiteResult) -> dict[str, int]:
    """1 for an item that only the tolerant reader counts as right."""
    return {mark.item_id: int(mark.loose) - int(mark.correct) for mark in result.answered}
