"""The table a run ends with: accuracy of base and iterations on each suite.

No figure stands without the number of items it was taken on, nor without its interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from rich import box
from rich.table import Table

from visplay.evaluation.results import Results, SuiteResult, pool_looks, task_of

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


def rich_table(base: Results | None, iterations: Sequence[Results], title: str = "greedy") -> Table:
    """The table for a terminal."""
    table = Table(title=title, caption=LEGEND, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column == "items" else "left", no_wrap=True)
    suite = None
    for row in table_rows(base, iterations):
        if suite not in (None, row.suite):
            table.add_section()
        suite = row.suite
        table.add_row(*astuple(row), style="bold" if row.change.endswith("*") else None)
    return table


def plain_table(base: Results | None, iterations: Sequence[Results], title: str = "greedy") -> str:
    """The same table as aligned lines, for a log or a pipe."""
    lines = [COLUMNS, *(astuple(row) for row in table_rows(base, iterations))]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    body = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join([title, *body, LEGEND])


def score_lines(results: Results, base: Results | None) -> Iterator[str]:
    """One line a suite, the looks of a lab task pooled: accuracy, interval, items, and the change from a base."""
    before = pool_looks(base.values()) if base else {}
    for name, result in pool_looks(results.values()).items():
        low, high = result.ci95
        change = f", {_change(result, before[name])} from the base" if base else ""
        yield f"{name}: {100 * result.accuracy:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {result.n} items{change}"


def lead_lines(lead: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """One line a suite, the looks of a lab task only pooled, of what `summary.lead` found for the last iteration."""
    for name, iterations in lead.items():
        if task_of(name) is None:
            yield f"{name}: {points(iterations[-1]['mean'], iterations[-1]['ci95'])}"


def points(mean: float, ci95: Sequence[float] | None) -> str:
    """A difference of fractions in points, with its interval if it has one: `+1.5 [+0.2, +2.8]`."""
    interval = f" [{100 * ci95[0]:+.1f}, {100 * ci95[1]:+.1f}]" if ci95 else ""
    return f"{100 * mean:+.1f}{interval}"


def _row(result: SuiteResult, model: str, base: SuiteResult | None) -> Row:
    low, high = result.ci95
    accuracy = f"{100 * result.accuracy:.1f} ± {50 * (high - low):.1f}"
    return Row(result.name, str(result.n), model, accuracy, _change(result, base) if base else "")


def _change(result: SuiteResult, base: SuiteResult) -> str:
    difference = result.difference_to(base)
    mark = " *" if difference.ci95.excludes_zero else ""
    return points(difference.mean, difference.ci95) + mark
