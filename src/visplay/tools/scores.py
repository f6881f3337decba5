"""The figures of the scoreboard: rows of recipes, computed from the summaries of finished runs alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from visplay.evaluation.results import task_of
from visplay.evaluation.statistics import Interval, MeanDifference, mean_of, share_over_seeds
from visplay.evaluation.summary import Figures, selected_iteration
from visplay.interfaces.image_source import ImageSource
from visplay.lab.observer import KnownImages
from visplay.runs.files import read_json
from visplay.runs.open_run import legible
from visplay.selfplay.controls import CEILING
from visplay.tools.ablation import Matrix, Run, over_seeds

BANK = "no_questioner"

Cell = dict[str, Any]
"""`mean` and `ci95` in the unit of a summary with the `seeds` that have them, or a `text`."""

_Summary = Mapping[str, Any]
_Summaries = Mapping[str, Mapping[int, _Summary]]  # of finished runs, by recipe and seed


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of every recipe that has it."""

    name: str
    unit: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Section:
    """The figures of one base: the rows of each table, by its title; no table if no run is finished."""

    base: str
    evaluated: str
    recipes: tuple[str, ...]
    tables: Mapping[str, Sequence[Row]]


def score_figures(base: str, matrix: Matrix, runs: Sequence[Run]) -> Section:
    """The figures of the finished runs of one base.

    Raises:
        RunError: a summary is damaged.
    """
    found: dict[str, dict[int, _Summary]] = {recipe: {} for recipe in matrix.recipes}
    for run in (run for run in runs if run.finished):
        found[run.recipe][run.settings.seed] = read_json(run.path / "summary.json")
    summaries = {recipe: by_seed for recipe, by_seed in found.items() if by_seed}
    chosen = runs[0].settings.evaluation
    most = f", at most {chosen.items_per_suite} items each" if chosen.items_per_suite else ""
    evaluated = f"Suites: {', '.join(map(str, chosen.suites))}{most}."
    with legible(f"the runs of {base}"):
        tables = _tables(matrix, summaries, runs) if summaries else {}
    done = {name: {"text": f"{len(each)} of {len(matrix.seeds)}", "seeds": list(each)} for name, each in found.items()}
    first = Row("finished seeds", "text", done)
    tables = {title: [first, *(row for row in rows if row.cells)] for title, rows in tables.items()}
    return Section(base, evaluated, tuple(matrix.recipes), tables)


def _tables(matrix: Matrix, summaries: _Summaries, runs: Sequence[Run]) -> dict[str, list[Row]]:
    one = next(summary for by_seed in summaries.values() for summary in by_seed.values())
    suites = [name for name in one["suites"] if task_of(name) is None]
    looks = [name for name in one["suites"] if task_of(name)]
    images = {run.recipe: run.settings.images for run in runs}
    passes = [key for key in one["suites"][suites[0]]["base"] if key.startswith("pass@")]
    # Endpoints are named before the runs; without names the mean of all benchmarks.
    named = runs[0].settings.evaluation.endpoints or {"mean of all": one["macro"]["base"]["benchmarks"]}
    return {
        "Endpoints": [
            row for name, each in named.items() for row in _endpoint_rows(name, each, matrix, summaries, passes)
        ],
        "Every suite": [_row(name, "points", summaries, _mean([name], "difference")) for name in suites],
        "Every suite, on the questions that the base answered": [
            _row(name, "points", summaries, _mean([name], "answered_difference")) for name in suites
        ],
        "Transfer, labels and cost": [
            Row("images", "text", {recipe: {"text": images[recipe].public_name} for recipe in summaries}),
            _look_row("change on looks that it did not train on", looks, summaries, images, trained=False),
            _look_row("change on looks that it trained on", looks, summaries, images, trained=True),
            *_run_rows(summaries),
        ],
    }


def _row(name: str, unit: str, summaries: _Summaries, figure: Callable[[_Summary], Any]) -> Row:
    """The mean over seeds of what `figure` finds in a summary: a difference, a number, or None."""
    cells = {}
    for recipe, by_seed in summaries.items():
        values = {seed: figure(summary) for seed, summary in by_seed.items()}
        known = {seed: value for seed, value in values.items() if value is not None}
        if known:
            cells[recipe] = over_seeds({s: v if isinstance(v, Mapping) else {"mean": v} for s, v in known.items()})
    return Row(name, unit, cells)


def _mean(suites: Iterable[str], *keys: str) -> Callable[[_Summary], Figures | None]:
    """Finds the plain mean over suites of a difference of what a run hands over; suites without it are left out."""

    def figure(summary: _Summary) -> Figures | None:
        found = []
        for suite in suites:
            figures: Any = _selected(summary["suites"][suite], summary)
            for key in keys:
                figures = (figures or {}).get(key)
            if figures:
                found.append(MeanDifference(figures["mean"], Interval(*figures["ci95"]), 0))
        return {"mean": (mean := mean_of(found)).mean, "ci95": mean.ci95} if found else None

    return figure


def _selected(suite: Figures, summary: _Summary) -> Figures:
    """The figures of a suite, or of the macro mean, of what a run hands over; of the base all changes are 0."""
    number = selected_iteration(summary)
    if number:
        selected: Figures = suite["iterations"][number - 1]
        return selected
    same = {"mean": 0.0, "ci95": [0.0, 0.0]}
    figures = {"difference": same, "answered_difference": same, "learned": 0, "corrupted": 0}
    figures |= {key: {"difference": same} for key in suite["base"] if key.startswith("pass@")}
    if "baselines" in suite:
        # Stored is the baseline's difference from the base.
        ahead = suite["baselines"][suite["baselines"]["best"]]["difference"]
        low, high = ahead["ci95"]
        figures["lead_over_baseline"] = {"mean": -ahead["mean"], "ci95": [-high, -low]}
    return figures


def _endpoint_rows(
    name: str, suites: Sequence[str], matrix: Matrix, summaries: _Summaries, passes: Sequence[str]
) -> Iterator[Row]:
    whole = _mean(suites, "difference")
    gains = {
        recipe: {seed: found["mean"] for seed, summary in by_seed.items() if (found := whole(summary))}
        for recipe, by_seed in summaries.items()
    }
    yield _row(f"{name}: gain where the base answered", "points", summaries, _mean(suites, "answered_difference"))
    yield _row(f"{name}: whole gain", "points", summaries, whole)
    yield _gap_row(f"{name}: share of the gap to {CEILING}", gains, matrix.ceiling)
    yield _row(f"{name}: lead over the best baseline", "points", summaries, _mean(suites, "lead_over_baseline"))
    yield _lead_row(f"{name}: lead over {BANK}", gains, matrix.recipe_of(BANK))
    for key in passes:
        yield _row(f"{name}: change of {key}", "points", summaries, _mean(suites, key, "difference"))


def _gap_row(name: str, gains: Mapping[str, Mapping[int, float]], ceiling: str | None) -> Row:
    """The share of the ceiling's gain, over the seeds of both."""
    cells, tops = {}, gains.get(ceiling or "", {})
    for recipe, ours in gains.items():
        seeds = [seed for seed in ours if seed in tops]
        share = share_over_seeds([ours[seed] for seed in seeds], [tops[seed] for seed in seeds]) if seeds else None
        if share:
            cells[recipe] = {"mean": share.mean, "ci95": share.ci95 and list(share.ci95), "seeds": seeds}
    return Row(name, "share", cells)


def _lead_row(name: str, gains: Mapping[str, Mapping[int, float]], rival: str | None) -> Row:
    """The gain minus the rival's with the same seed: base and items are the same, so this is paired by item."""
    cells, theirs = {}, gains.get(rival or "", {})
    for recipe, ours in gains.items():
        leads = {seed: {"mean": gain - theirs[seed]} for seed, gain in ours.items() if seed in theirs}
        if leads and recipe != rival:
            cells[recipe] = over_seeds(leads)
    return Row(name, "points", cells)


def _look_row(
    name: str, looks: Sequence[str], summaries: _Summaries, images: Mapping[str, ImageSource], *, trained: bool
) -> Row:
    """The mean change over the suites `lab/TASK/LOOK` whose look a recipe's images have, or do not have."""
    cells: dict[str, Cell] = {}
    for recipe, by_seed in summaries.items():
        seen = _looks(images[recipe])
        chosen = [suite for suite in looks if (suite.split("/")[2] in seen) == trained]
        cells |= _row(name, "points", {recipe: by_seed}, _mean(chosen, "difference")).cells
    return Row(name, "points", cells)


def _run_rows(summaries: _Summaries) -> Iterator[Row]:
    yield _counted("iterations until the first decline", summaries, _first_declines)
    yield _row("reward accuracy", "%", summaries, _silver("reward_accuracy"))
    yield _row("label accuracy of the silver sets", "%", summaries, _silver("label_accuracy"))
    yield _counted("learned : corrupted", summaries, _learned)
    yield _row("time of a run", "minutes", summaries, lambda summary: summary.get("seconds"))
    yield _row("peak memory", "GB", summaries, lambda summary: summary.get("peak_memory_bytes"))


def _looks(images: ImageSource) -> set[str]:
    """The looks of the lab's drawings that a run trains on; a mixture names its parts."""
    parts = str(images).split("+") if isinstance(images, KnownImages) else []
    looks = [part.removeprefix("lab/") for part in parts if part.startswith("lab/")]
    return {"pastel" if look == "single" else look for look in looks}


def _silver(key: str) -> Callable[[_Summary], float | None]:
    """Finds the mean over the iterations of a figure of the silver sets, where it is known."""

    def figure(summary: _Summary) -> float | None:
        known = [one[key] for one in summary["silver"] if one.get(key) is not None]
        return fmean(known) if known else None

    return figure


def _counted(name: str, summaries: _Summaries, told: Callable[[Iterable[_Summary]], str]) -> Row:
    cells = {recipe: {"text": told(each.values()), "seeds": list(each)} for recipe, each in summaries.items()}
    return Row(name, "text", cells)


def _first_declines(summaries: Iterable[_Summary]) -> str:
    """The first iteration in which a suite, looks pooled, lies below the base with its whole interval: `none in 3`."""
    found = Counter[str]()
    for summary in summaries:
        suites = [suite["iterations"] for name, suite in summary["suites"].items() if task_of(name) is None]
        declined = [any(one["difference"]["ci95"][1] < 0 for one in each) for each in zip(*suites, strict=True)]
        found[str(declined.index(True) + 1) if any(declined) else f"none in {len(declined)}"] += 1
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{first} ({count} of {found.total()} seeds)" for first, count in sorted(found.items()))


def _learned(summaries: Iterable[_Summary]) -> str:
    selected = [_selected(summary["macro"], summary) for summary in summaries]
    return " : ".join(str(sum(one[key] for one in selected)) for key in ("learned", "corrupted"))
