"""The plain mean over benchmarks: each weighs the same, however many items it has.

A benchmark is a row of the table: a suite, or a lab task with its looks pooled. A suite that shares items with one
before it (`easy_vqa_open` is part of `easy_vqa`) is no benchmark of its own; else some items would count twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from visplay.evaluation.gain import format_changes
from visplay.evaluation.results import Results, SuiteResult, pool_looks
from visplay.evaluation.statistics import MeanDifference, bootstrap_macro_mean


@dataclass(frozen=True, slots=True)
class MacroGain:
    """Differences of macro means, by part as in `visplay.evaluation.gain`; the parts are None without texts."""

    total: MeanDifference
    answer: MeanDifference | None
    format: MeanDifference | None


def benchmarks(results: Results) -> dict[str, SuiteResult]:
    """What a macro mean is taken over, by name."""
    found: dict[str, SuiteResult] = {}
    counted: set[str] = set()
    for name, result in pool_looks(results.values()).items():
        if counted.isdisjoint(result.marks()):
            found[name] = result
            counted.update(result.marks())
    return found


def macro_mean(results: Results) -> MeanDifference:
    """Mean accuracy over `benchmarks`, a fraction, with the 95 % interval of a bootstrap within each.

    A benchmark with every answer right, or every one wrong, cannot vary under a bootstrap.

    Raises:
        ValueError: no suite.
    """
    return bootstrap_macro_mean([[mark.correct for mark in each.answered] for each in benchmarks(results).values()])


def macro_gain(after: Results, before: Results) -> MacroGain:
    """Mean over `benchmarks` of their paired differences.

    Raises:
        ValueError: the two are not about the same items.
    """
    ours, theirs = benchmarks(after), benchmarks(before)
    if ours.keys() != theirs.keys():
        raise ValueError(f"no macro difference between {', '.join(ours)} and {', '.join(theirs)}")
    pairs = [(ours[name], theirs[name]) for name in ours]
    total = bootstrap_macro_mean([_changes(mine, other) for mine, other in pairs])
    read = [(mine.tolerant, other.tolerant) for mine, other in pairs]
    known = [(mine, other) for mine, other in read if mine is not None and other is not None]
    if len(known) < len(pairs):
        return MacroGain(total, None, None)
    answer = bootstrap_macro_mean([_changes(mine, other) for mine, other in known])
    return MacroGain(total, answer, bootstrap_macro_mean([format_changes(mine, other) for mine, other in pairs]))


def _changes(after: SuiteResult, before: SuiteResult) -> list[int]:
    ours, theirs = after.marks(), before.marks()
    if ours.keys() != theirs.keys():
        raise ValueError(f"suite {after.name}: a paired difference needs the same items twice")
    return [ours[item] - theirs[item] for item in theirs]
