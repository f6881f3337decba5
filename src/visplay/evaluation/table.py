"""The table a run ends with: accuracy of base and iterations on each suite.

No figure stands without the number of items it was taken on, nor without its interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from rich.table import Table

from visplay.evaluation.results import Results, SuiteResult, pool_looks, task_of
from visplay.evaluation.sheet import Sheet
from visplay.evaluation.statistics import MeanDifference, PairedDifference

COLUMNS = ("suite", "items", "model", "accuracy %", "change, points")
LEGEND = (
    "± is half the 95 % Wilson interval; change is from the base, paired by item, with its 95 % bootstrap interval; "
    "* the interval excludes zero."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, as text."""

    suite: str
    items: str
    model: str
    accuracy: str
    change: str


def table_rows(base: Results | None, iterations: Sequence[Results]) -> Iterator[Row]:
    """Rows suite by suite, base first, the looks of a lab task pooled.

    Args:
        base: None when the base was not measured; then no change is shown.
        iterations: from the first on; a suite that one of them lacks has no row there.
    """
    pooled_base = pool_looks(base.values()) if base else {}
    pooled = [pool_looks(results.values()) for results in iterations]
    for name in dict.fromkeys(name for results in (pooled_base, *pooled) for name in results):
        before = pooled_base.get(name)
        if before:
            yield _row(before, "base", None)
        for number, results in enumerate(pooled, start=1):
            if name in results:
                yield _row(results[name], f"iteration {number}", before)


def sheet(base: Results | None, iterations: Sequence[Results], title: str = "greedy") -> Sheet:
    """The rows as a table."""
    return Sheet(title, COLUMNS, tuple(astuple(row) for row in table_rows(base, iterations)), LEGEND)


def rich_table(base: Results | None, iterations: Sequence[Results], title: str = "greedy") -> Table:
    """The table for a terminal."""
    return sheet(base, iterations, title).rich()


def plain_table(base: Results | None, iterations: Sequence[Results], title: str = "greedy") -> str:
    """The same table as aligned lines, for a log or a pipe."""
    return sheet(base, iterations, title).plain()


def lead_lines(lead: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """One line a suite, the looks of a lab task only pooled, of what `summary.lead` found for the last iteration."""
    for name, iterations in lead.items():
        if task_of(name) is None:
            yield f"{name}: {points(iterations[-1]['mean'], iterations[-1]['ci95'])}"


def points(mean: float, ci95: Sequence[float] | None) -> str:
    """A difference of fractions in points, with its interval if it has one: `+1.5 [+0.2, +2.8]`."""
    interval = f" [{100 * ci95[0]:+.1f}, {100 * ci95[1]:+.1f}]" if ci95 else ""
    return f"{100 * mean:+.1f}{interval}"


def share(fraction: float, ci95: Sequence[float]) -> str:
    """A share in percent with its interval: `62.5 [57.7, 67.1]`."""
    return f"{100 * fraction:.1f} [{100 * ci95[0]:.1f}, {100 * ci95[1]:.1f}]"


def marked(difference: PairedDifference | MeanDifference) -> str:
    """A difference in points, with a star where its interval excludes zero."""
    return points(difference.mean, difference.ci95) + (" *" if difference.ci95.excludes_zero else "")


def _row(result: SuiteResult, model: str, base: SuiteResult | None) -> Row:
    low, high = result.ci95
    accuracy = f"{100 * result.accuracy:.1f} ± {50 * (high - low):.1f}"
    return Row(result.name, str(result.n), model, accuracy, marked(result.difference_to(base)) if base else "")
