"""Runs that differ in their seed alone, side by side: what `visplay compare` prints of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visplay.errors import EvaluationError
from visplay.evaluation.results import task_of
from visplay.evaluation.sheet import Sheet
from visplay.evaluation.statistics import SeedMean, mean_over_seeds
from visplay.evaluation.summary import change_of_selected
from visplay.evaluation.table import points

Summary = Mapping[str, Any]
"""What a run's summary.json holds."""


@dataclass(frozen=True, slots=True)
class SeedRow:
    """A suite: the change of each run (`mean` and `ci95`), and their mean."""

    suite: str
    each: tuple[Mapping[str, Any], ...]
    mean: SeedMean


@dataclass(frozen=True, slots=True)
class SeedBlock:
    """What is said of all suites under one title."""

    title: str
    rows: tuple[SeedRow, ...]


def seed_blocks(summaries: Sequence[Summary]) -> Iterator[SeedBlock]:
    """The greedy change from its base of what each run hands over, suite by suite, with the mean over runs.

    Blocks about the controls and about the lead over them follow, where every run has them. The interval of a run is
    its paired one, that of the mean is Student's over runs.

    Raises:
        EvaluationError: a run has no suite with a measured base.
    """
    yield _block("change from the base", [_changes(summary) for summary in summaries])
    controls = [summary["controls"] for summary in summaries]
    for name in controls[0]:
        if all(name in one for one in controls):
            yield _block(f"{name}: change from the base", [_changes(one[name]) for one in controls])
            yield _block(f"ahead of {name}", [_last(one[name]["lead"]) for one in controls])


def seed_lines(summaries: Sequence[Summary]) -> Iterator[str]:
    """The blocks as lines, figures in points.

    Raises:
        EvaluationError: as `seed_blocks`.
    """
    for block in seed_blocks(summaries):
        yield block.title
        for row in block.rows:
            each = "  ".join(points(change["mean"], change["ci95"]) for change in row.each)
            yield f"  {row.suite:20} {each}  mean {points(row.mean.mean, row.mean.ci95)}"


def seed_sheets(summaries: Sequence[Summary], names: Sequence[str]) -> Iterator[Sheet]:
    """The blocks as tables, figures in points, a column a run.

    Raises:
        EvaluationError: as `seed_blocks`.
    """
    note = "Points, with the paired 95 % bootstrap interval of each run; of the mean, Student's over runs."
    for block in seed_blocks(summaries):
        rows = [
            (
                row.suite,
                *(points(change["mean"], change["ci95"]) for change in row.each),
                points(row.mean.mean, row.mean.ci95),
            )
            for row in block.rows
        ]
        yield Sheet(block.title, ("suite", *names, "mean"), tuple(rows), note)


def seed_json(summaries: Sequence[Summary], names: Sequence[str]) -> dict[str, Any]:
    """The blocks as JSON values; `each` is in the order of `names`."""
    blocks = {
        block.title: {
            row.suite: {
                "each": [{"mean": change["mean"], "ci95": list(change["ci95"])} for change in row.each],
                "mean": row.mean.mean,
                "ci95": list(row.mean.ci95) if row.mean.ci95 else None,
                "seeds": row.mean.seeds,
            }
            for row in block.rows
        }
        for block in seed_blocks(summaries)
    }
    return {"names": list(names), "seeds": blocks}


def _changes(summary: Summary) -> dict[str, Mapping[str, Any]]:
    found = {
        name: change_of_selected(summary, name)
        for name, suite in summary["suites"].items()
        if suite["base"] and suite["iterations"] and task_of(name) is None
    }
    if not found:
        raise EvaluationError("nothing to compare: no suite was measured before and after")
    return found


def _last(lead: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    return {name: iterations[-1] for name, iterations in lead.items() if task_of(name) is None}


def _block(title: str, runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> SeedBlock:
    common = [name for name in runs[0] if all(name in run for run in runs)]
    rows = [
        SeedRow(n, tuple(run[n] for run in runs), mean_over_seeds([run[n]["mean"] for run in runs])) for n in common
    ]
    return SeedBlock(title, tuple(rows))
