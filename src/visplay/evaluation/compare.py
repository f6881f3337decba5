"""Any runs and models side by side: each one's accuracy on every suite, and its difference to the first.

A difference is taken over the items that both were asked, told by id, question and reference: suites that were drawn
from another seed, or cut to fewer items, are compared on what they share, and how much that is stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from visplay.errors import EvaluationError
from visplay.evaluation.macro import benchmarks, macro_mean
from visplay.evaluation.results import Results, SuiteResult, pool_looks
from visplay.evaluation.sheet import Sheet
from visplay.evaluation.statistics import MeanDifference, PairedDifference, bootstrap_macro_mean, paired_difference
from visplay.evaluation.table import marked, share

MACRO = "mean of suites"
_NOTE = (
    "Accuracy in %, with its 95 % interval (Wilson; of the mean over suites, a bootstrap within each) and the items it "
    "is of. A difference is in points, paired over the items that both were asked, with its 95 % bootstrap interval; "
    "* the interval excludes zero."
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A run, model or report by the name its user gave it, and what it answered greedily."""

    name: str
    results: Results


@dataclass(frozen=True, slots=True)
class Line:
    """A suite of the comparison; both tuples are in the order of the contenders.

    Attributes:
        measured: what each answered.
        differences: accuracy minus the first contender's; None of the first, and where no item coincides.
    """

    suite: str
    measured: tuple[SuiteResult, ...]
    differences: tuple[PairedDifference | None, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What all contenders were measured on.

    Attributes:
        names: of the contenders.
        lines: a suite each, the looks of a lab task pooled.
        means: of each contender over those suites that share no item with an earlier one.
        mean_differences: the mean of the suites' differences to the first; None where a suite has none.
        left_out: suites that not every contender was measured on.
    """

    names: tuple[str, ...]
    lines: tuple[Line, ...]
    means: tuple[MeanDifference, ...]
    mean_differences: tuple[MeanDifference | None, ...]
    left_out: tuple[str, ...]


def compare(contenders: Sequence[Contender]) -> Comparison:
    """All contenders on the suites that every one of them was measured on.

    Raises:
        EvaluationError: fewer than two, or no suite in common.
    """
    if len(contenders) < 2:
        raise EvaluationError("one alone cannot be compared; name at least two runs, models or reports")
    pooled = [pool_looks(contender.results.values()) for contender in contenders]
    every = dict.fromkeys(name for results in pooled for name in results)
    common = [name for name in every if all(name in results for results in pooled)]
    if not common:
        had = "; ".join(f"{c.name}: {', '.join(results)}" for c, results in zip(contenders, pooled, strict=True))
        raise EvaluationError(f"no suite in common ({had}); name one by --suites or --data, and all are scored on it")
    lines = tuple(_line(name, [results[name] for results in pooled]) for name in common)
    counted = list(benchmarks({name: pooled[0][name] for name in common}))
    shared = [{name: results[name] for name in counted} for results in pooled]
    return Comparison(
        names=tuple(contender.name for contender in contenders),
        lines=lines,
        means=tuple(macro_mean(results) for results in shared),
        mean_differences=(None, *(_mean_difference(results, shared[0]) for results in shared[1:])),
        left_out=tuple(name for name in every if name not in common),
    )


def comparison_sheet(comparison: Comparison, labels: Sequence[str], title: str = "") -> Sheet:
    """The table, a row a suite; `labels` head the columns in place of the contenders' names."""
    first, *others = labels
    columns = ["suite", first]
    for label in others:
        columns += [label, f"{label} − {first}"]
    rows = [_row(line) for line in comparison.lines]
    if len(comparison.lines) > 1:
        rows.append(_mean_row(comparison))
    left_out = f" Not of all, and left out: {', '.join(comparison.left_out)}." if comparison.left_out else ""
    return Sheet(title, tuple(columns), tuple(rows), _NOTE + left_out)


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The same as JSON values; lists are in the order of `names`."""
    return {
        "names": list(comparison.names),
        "suites": {
            line.suite: {
                "measured": [{"accuracy": m.accuracy, "ci95": list(m.ci95), "n": m.n} for m in line.measured],
                "differences": [_difference(difference) for difference in line.differences],
            }
            for line in comparison.lines
        },
        "mean": {
            "measured": [{"accuracy": m.mean, "ci95": list(m.ci95), "n": m.n} for m in comparison.means],
            "differences": [_difference(difference) for difference in comparison.mean_differences],
        },
        "left_out": list(comparison.left_out),
    }


def coinciding(one: SuiteResult, other: SuiteResult) -> list[str]:
    """Ids of the items that both were asked, in the order of `one`.

    Marks from before questions were kept with them are told by their id alone.
    """
    theirs = {mark.item_id: mark for mark in other.answered}
    found = []
    for mark in one.answered:
        twin = theirs.get(mark.item_id)
        if twin is None:
            continue
        known = mark.question and twin.question
        if not known or (mark.question, mark.reference) == (twin.question, twin.reference):
            found.append(mark.item_id)
    return found


def _line(suite: str, measured: Sequence[SuiteResult]) -> Line:
    first, *others = measured
    return Line(suite, tuple(measured), (None, *(_paired(result, first) for result in others)))


def _paired(result: SuiteResult, first: SuiteResult) -> PairedDifference | None:
    items, before, after = coinciding(first, result), first.marks(), result.marks()
    if not items:
        return None
    return paired_difference({item: before[item] for item in items}, {item: after[item] for item in items})


def _mean_difference(results: Results, first: Results) -> MeanDifference | None:
    changes = []
    for name, result in results.items():
        before, after = first[name].marks(), result.marks()
        changes.append([after[item] - before[item] for item in coinciding(first[name], result)])
    return bootstrap_macro_mean(changes) if all(changes) else None


def _row(line: Line) -> tuple[str, ...]:
    cells = [line.suite]
    for measured, difference in zip(line.measured, line.differences, strict=True):
        cells.append(f"{share(measured.accuracy, measured.ci95)} of {measured.n}")
        cells.append(f"{marked(difference)} of {difference.n}" if difference else "no item in common")
    return (*cells[:2], *cells[3:])


def _mean_row(comparison: Comparison) -> tuple[str, ...]:
    cells = [MACRO]
    for mean, difference in zip(comparison.means, comparison.mean_differences, strict=True):
        cells.append(f"{share(mean.mean, mean.ci95)} of {mean.n}")
        cells.append(f"{marked(difference)} of {difference.n}" if difference else "no item in common")
    return (*cells[:2], *cells[3:])


def _difference(difference: PairedDifference | MeanDifference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    figures: dict[str, Any] = {"mean": difference.mean, "ci95": list(difference.ci95), "n": difference.n}
    if isinstance(difference, PairedDifference):
        figures["p_mcnemar"] = difference.p_mcnemar
    return figures
