"""What a matrix found. Accuracies and their differences are fractions in table.json, points in table.md.

    {"against": "default",
     "suites": {"lab/single": {"default": {"items", "change": {"mean", "ci95", "seeds"}, "lead": null},
                               "plain augmentations": {…, "lead": {"mean", "ci95", "seeds"}}}, …},
     "silver": {"default": [{"seeds", "asked", "kept", "label_accuracy", "answerable"}, …], …}}

`seeds` lists those that a figure was taken from; `silver` goes iteration by iteration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visplay.evaluation.results import Measurement, task_of
from visplay.evaluation.statistics import mean_over_seeds
from visplay.evaluation.summary import change_of_selected, lead, selected_iteration
from visplay.evaluation.table import points
from visplay.runs.state import read_json
from visplay.tools.ablation.matrix import Matrix, Run

SILVER = ("asked", "kept", "label_accuracy", "answerable")
LEGEND = (
    "Greedy accuracy of what a run hands over (its last accepted iteration), in points: the change from the base, "
    "and the lead over `{against}` with the same seed, both paired by item; mean over seeds. Intervals are 95 %: "
    "Student's over seeds, or from one seed the bootstrap's over items."
)

Difference = Mapping[str, Any]
"""`mean` and `ci95` of a difference that is paired by item."""


@dataclass(frozen=True, slots=True)
class _Result:
    """Of a finished run: summary.json, and the marks of what it hands over."""

    summary: Mapping[str, Any]
    last: Measurement


_Results = Mapping[str, Mapping[int, _Result]]
"""By recipe and seed; a recipe has at least one."""


def ablation_figures(matrix: Matrix, runs: Sequence[Run]) -> dict[str, Any]:
    """JSON-able figures of the finished ones among `runs`.

    Raises:
        RunError: a summary is damaged.
    """
    results: dict[str, dict[int, _Result]] = {}
    for recipe in matrix.recipes:
        found = {run.settings.seed: _result(run) for run in runs if run.recipe == recipe.name and run.finished}
        if found:
            results[recipe.name] = found
    leads = _leads(results, matrix.against)
    measured = dict.fromkeys(name for by_seed in results.values() for r in by_seed.values() for name in _suites(r))
    return {
        "against": matrix.against,
        "suites": {
            suite: {recipe: _figures(suite, by_seed, leads[recipe]) for recipe, by_seed in results.items()}
            for suite in matrix.suites or [name for name in measured if task_of(name) is None]
        },
        "silver": {recipe: _silver(by_seed) for recipe, by_seed in results.items()},
    }


def ablation_table(figures: Mapping[str, Any]) -> str:
    """Markdown of what `ablation_figures` returned."""
    against = figures["against"]
    accuracy = _markdown(
        ("suite", "recipe", "seeds", "items", "change from the base", f"ahead of {against}"), _suite_rows(figures)
    )
    silver = _markdown(
        ("silver set of", "iteration", "seeds", *(key.replace("_", " ") for key in SILVER)), _silver_rows(figures)
    )
    return "\n\n".join([LEGEND.format(against=against), accuracy, "Silver sets, mean over seeds.", silver]) + "\n"


def _result(run: Run) -> _Result:
    summary = read_json(run.path / "summary.json")
    file = run.path / "measurements" / f"iteration-{selected_iteration(summary)}.jsonl"
    return _Result(summary, Measurement.load(file) if file.exists() else Measurement({}))


def _suites(result: _Result) -> Mapping[str, Any]:
    suites: Mapping[str, Any] = result.summary["suites"]
    return suites


def _leads(results: _Results, against: str) -> dict[str, dict[int, dict[str, list[dict[str, Any]]]]]:
    """By recipe and seed, what `lead` says of the last iterations; a recipe has no lead over itself."""
    theirs = results.get(against, {})
    return {
        recipe: {
            seed: lead([ours.last], [theirs[seed].last])
            for seed, ours in by_seed.items()
            if recipe != against and seed in theirs
        }
        for recipe, by_seed in results.items()
    }


def _figures(
    suite: str, by_seed: Mapping[int, _Result], leads: Mapping[int, Mapping[str, Sequence[Difference]]]
) -> dict[str, Any]:
    return {
        "items": next(iter(by_seed.values())).summary["suites"][suite]["base"]["n"],
        "change": _over_seeds({seed: change_of_selected(result.summary, suite) for seed, result in by_seed.items()}),
        "lead": _over_seeds({seed: by_suite[suite][-1] for seed, by_suite in leads.items()}) if leads else None,
    }


def _over_seeds(differences: Mapping[int, Difference]) -> dict[str, Any]:
    mean = mean_over_seeds([difference["mean"] for difference in differences.values()])
    # One seed says nothing about seeds, but its items say how sure its own difference is.
    ci95 = mean.ci95 or next(iter(differences.values()))["ci95"]
    return {"mean": mean.mean, "ci95": list(ci95), "seeds": list(differences)}


def _silver(by_seed: Mapping[int, _Result]) -> list[dict[str, Any]]:
    sets = {seed: result.summary["silver"] for seed, result in by_seed.items()}
    return [
        {"seeds": [seed for seed in sets if place < len(sets[seed])]}
        | {key: _mean([each[place].get(key) for each in sets.values() if place < len(each)]) for key in SILVER}
        for place in range(max(len(each) for each in sets.values()))
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that are known; None when none is."""
    known = [value for value in values if value is not None]
    return mean_over_seeds(known).mean if known else None


def _suite_rows(figures: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for suite, recipes in figures["suites"].items():
        for recipe, row in recipes.items():
            change = row["change"]
            seeds = len(change["seeds"])
            yield suite, recipe, str(seeds), str(row["items"]), _points(change, seeds), _points(row["lead"], seeds)


def _points(difference: Mapping[str, Any] | None, seeds: int) -> str:
    if difference is None:
        return ""
    count = len(difference["seeds"])
    few = f" ({count} of {seeds} seeds)" if count < seeds else ""
    return points(difference["mean"], difference["ci95"]) + few


def _silver_rows(figures: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for recipe, iterations in figures["silver"].items():
        for number, row in enumerate(iterations, start=1):
            counts = ["" if row[key] is None else f"{row[key]:.0f}" for key in ("asked", "kept")]
            shares = ["" if row[key] is None else f"{row[key]:.3f}" for key in ("label_accuracy", "answerable")]
            yield recipe, str(number), str(len(row["seeds"])), *counts, *shares


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(_line(cells) for cells in (columns, ["---"] * len(columns), *rows))


def _line(cells: Sequence[str]) -> str:
    # A recipe may be named with what Markdown ends a cell or a row by.
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"
