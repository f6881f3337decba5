"""Runs that differ in their seed alone, side by side: what `visplay compare` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from visplay.evaluation.errors import EvaluationError
from visplay.evaluation.results import task_of
from visplay.evaluation.statistics import mean_over_seeds
from visplay.evaluation.summary import change_handed_over
from visplay.evaluation.table import points

Summary = Mapping[str, Any]
"""What a run's summary.json holds."""


def seed_lines(summaries: Sequence[Summary]) -> Iterator[str]:
    """A line a suite: the greedy change from its base of what each run hands over, then the mean over runs.

    Lines about the controls and about the lead over them follow, where every run has them. Figures are in points;
    the interval of a run is its paired one, that of the mean is Student's over runs.

    Raises:
        EvaluationError: a run has no suite with a measured base.
    """
    yield from _block("change from the base", [_changes(summary) for summary in summaries])
    controls = [summary["controls"] for summary in summaries]
    for name in controls[0]:
        if all(name in one for one in controls):
            yield from _block(f"{name}: change from the base", [_changes(one[name]) for one in controls])
            yield from _block(f"ahead of {name}", [_last(one[name]["lead"]) for one in controls])


def _changes(summary: Summary) -> dict[str, Mapping[str, Any]]:
    found = {
        name: change_handed_over(summary, name)
        for name, suite in summary["suites"].items()
        if suite["base"] and suite["iterations"] and task_of(name) is None
    }
    if not found:
        raise EvaluationError("nothing to compare: no suite was measured before and after")
    return found


def _last(lead: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    return {name: iterations[-1] for name, iterations in lead.items() if task_of(name) is None}


def _block(title: str, runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    yield title
    for name in runs[0]:
        if all(name in run for run in runs):
            each = "  ".join(points(run[name]["mean"], run[name]["ci95"]) for run in runs)
            mean = mean_over_seeds([run[name]["mean"] for run in runs])
            yield f"  {name:20} {each}  mean {points(mean.mean, mean.ci95)}"
