"""The figures of measurements: `suites` and `macro` of a run's summary.json and of a report of `visplay eval`.

docs/evaluation.md describes both. All are JSON values; accuracies, shares and differences are fractions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from visplay.evaluation.baseline_figures import macro_with_baselines, with_baselines
from visplay.evaluation.baselines import BASELINES
from visplay.evaluation.grading import Mark
from visplay.evaluation.results import Measurement, Results, SuiteResult, benchmarks, pool_looks
from visplay.evaluation.statistics import (
    Images,
    Interval,
    MeanDifference,
    accuracy_interval,
    calibration,
    item_changes,
    mean_change,
    mean_of,
    paired_difference,
)

Figures = dict[str, Any]

TRANSITIONS = tuple(
    f"{before}_to_{after}"
    for before in ("declined", "wrong", "right")
    for after in ("right", "declined", "wrong")
    if before != after
)
"""What can happen to an item between two measurements; what stays as it was is left out."""


def suites_summary(base: Measurement | None, iterations: Sequence[Measurement]) -> Figures:
    """Figures of every suite and every pooled lab task: of the base, and of each iteration.

    Args:
        base: None if it was not measured; then `base` is null and there is no `difference`.
    Raises:
        ValueError: base and iteration were asked other items; also of `macro_summary`.
    """
    before = _with_pooled(base) if base else {}
    after = [_with_pooled(measurement) for measurement in iterations]
    names = dict.fromkeys(name for each in (before, *after) for name in each.get("greedy", {}))
    suites: Figures = {
        name: {
            "base": _suite(name, before, {}) if before else None,
            "iterations": [_suite(name, measured, before) for measured in after],
        }
        for name in names
    }
    return with_baselines(suites, base, iterations)


def macro_summary(base: Measurement | None, iterations: Sequence[Measurement], decoding: str = "greedy") -> Figures:
    """Figures of the plain mean over `benchmarks`, which weighs every benchmark the same.

    Its interval follows from those of the benchmarks.

    Raises:
        ValueError: no suite, or base and iteration were asked other items.
    """
    before = base.by_decoding.get(decoding) if base else None
    macro: Figures = {
        "base": _macro(before, None) if before else None,
        "iterations": [_macro(measured.by_decoding[decoding], before) for measured in iterations],
    }
    return macro_with_baselines(macro, base, iterations) if decoding == "greedy" else macro


def lead(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> dict[str, list[Figures]]:
    """Greedy accuracy of one run minus that of another, paired by item: by suite, iteration by iteration."""
    mine, others = ([_with_pooled(each).get("greedy", {}) for each in run] for run in (ours, theirs))
    pairs = list(zip(mine, others, strict=False))
    names = dict.fromkeys(name for mine, other in pairs for name in mine if name in other)
    return {name: [asdict(mine[name].difference_to(other[name])) for mine, other in pairs] for name in names}


def selected_iteration(summary: Mapping[str, Any]) -> int:
    """The selected iteration of a finished run, 0 for the base; the run's `questioner/` and `reasoner/` have its roles.

    The last verdict names it; without verdicts it is the last iteration.
    """
    verdicts = summary.get("acceptance", ())
    if verdicts:
        return int(verdicts[-1]["selected_iteration"])
    return max((len(suite["iterations"]) for suite in summary["suites"].values()), default=0)


def change_of_selected(summary: Mapping[str, Any], suite: str) -> Mapping[str, Any]:
    """Greedy change of a suite from the base to what a run hands over: `mean` and `ci95`, both 0 for the base."""
    iteration = selected_iteration(summary)
    if not iteration:
        return {"mean": 0.0, "ci95": [0.0, 0.0]}
    change: Mapping[str, Any] = summary["suites"][suite]["iterations"][iteration - 1]["difference"]
    return change


def gap_closed(ours: Mapping[str, Any], ceiling: Mapping[str, Any]) -> dict[str, float | None]:
    """By suite, the change of what a run hands over as a share of the change of its ceiling, from the same base.

    Both are summaries of runs. A share is None where the ceiling gained nothing, so that there is no gap.
    """
    measured = [name for name, suite in ours["suites"].items() if suite["base"] and suite["iterations"]]
    changes = {name: [change_of_selected(summary, name)["mean"] for summary in (ours, ceiling)] for name in measured}
    return {name: change / most if most > 0 else None for name, (change, most) in changes.items()}


def _with_pooled(measurement: Measurement) -> dict[str, Results]:
    """The results of each decoding but the baselines, those of lab tasks with their looks pooled first."""
    decodings = {name: found for name, found in measurement.by_decoding.items() if name not in BASELINES}
    return {name: {**pool_looks(found.values()), **found} for name, found in decodings.items()}


def _suite(name: str, measured: Mapping[str, Results], base: Mapping[str, Results]) -> Figures:
    results = {decoding: suites[name] for decoding, suites in measured.items() if name in suites}
    before = {decoding: suites[name] for decoding, suites in base.items() if name in suites}
    figures = {decoding: _decoding(result, before.get(decoding)) for decoding, result in results.items()}
    greedy, earlier = results["greedy"], before.get("greedy")
    figures["greedy"] |= _declining(greedy, earlier)
    kinds_before = earlier.by_kind() if earlier else {}
    kinds = {
        kind: accuracy_figures(marks, greedy.images(), kinds_before.get(kind))
        for kind, marks in greedy.by_kind().items()
    }
    if "no_image" in results:
        figures["above_no_image"] = asdict(greedy.difference_to(results["no_image"]))
    for decoding, result in results.items():
        if decoding.startswith("maj@"):
            votes = ((mark.share or 0.0, mark.correct) for mark in result.answered)
            figures[decoding]["calibration"] = calibration(votes)
    return figures.pop("greedy") | {"kinds": kinds} | figures


def _decoding(result: SuiteResult, base: SuiteResult | None) -> Figures:
    """Accuracy by either reader, and what was not read."""
    images = result.images()
    figures = accuracy_figures(result.marks(), images, base.marks() if base else None)
    if base:
        answer = paired_difference(base.marks("loose"), result.marks("loose"), images)
        figures["gain"] = {"answer": asdict(answer), "format": asdict(mean_change(_format(result, base), images))}
    figures["tolerant"] = accuracy_figures(result.marks("loose"), images)
    figures["unparseable"] = _share(result, lambda mark: mark.given is None)
    figures["truncated"] = _share(result, lambda mark: not mark.finished)
    return figures


def _declining(result: SuiteResult, base: SuiteResult | None) -> Figures:
    """What was declined, and what a change is made of: refusals that became answers, or better answers."""
    images, marks = result.images(), result.marks()
    figures: Figures = {"declined": _share(result, lambda mark: mark.declined)}
    answered = {mark.item_id: mark.correct for mark in result.answered if not mark.declined}
    if answered:
        figures["answered"] = accuracy_figures(answered, images)
    if base:
        was, now = ({mark.item_id: _state(mark) for mark in each.answered} for each in (base, result))
        moved = Counter(f"{was[item]}_to_{now[item]}" for item in was)
        figures |= _moved({name: moved[name] for name in TRANSITIONS})
        before = {mark.item_id: mark.correct for mark in base.answered if not mark.declined}
        if before:
            after = {item: marks[item] for item in before}
            figures["answered_difference"] = asdict(paired_difference(before, after, images))
    return figures


def _moved(transitions: Mapping[str, int]) -> Figures:
    learned = transitions["declined_to_right"] + transitions["wrong_to_right"]
    corrupted = transitions["right_to_declined"] + transitions["right_to_wrong"]
    return {"transitions": dict(transitions), "learned": learned, "corrupted": corrupted}


def _state(mark: Mark) -> str:
    return "right" if mark.correct else "declined" if mark.declined else "wrong"


def _share(result: SuiteResult, counts: Callable[[Mark], bool]) -> Figures:
    """The share of the marks for which `counts` holds."""
    found = {mark.item_id: counts(mark) for mark in result.answered}
    return {"share": sum(found.values()) / result.n, "ci95": accuracy_interval(found, result.images()), "n": result.n}


def accuracy_figures(marks: Mapping[str, bool], images: Images, base: Mapping[str, bool] | None = None) -> Figures:
    """Accuracy of the marks by item id, with its interval, and the paired difference from those of a base."""
    right, n = sum(marks.values()), len(marks)
    figures: Figures = {"accuracy": right / n, "ci95": accuracy_interval(marks, images), "n": n}
    return figures | ({"difference": asdict(paired_difference(base, marks, images))} if base else {})


def _macro(results: Results, base: Results | None) -> Figures:
    ours, theirs = benchmarks(results), benchmarks(base) if base else {}
    if base and ours.keys() != theirs.keys():
        raise ValueError(f"no macro difference between {', '.join(ours)} and {', '.join(theirs)}")
    parts = [_decoding(each, theirs.get(name)) | _declining(each, theirs.get(name)) for name, each in ours.items()]
    return mean_figures(parts) | {"benchmarks": list(ours)}


def mean_figures(suites: Sequence[Figures]) -> Figures:
    """The figures of the plain mean over suites with those figures of each; counts are sums.

    Suites without an answered item are left out of what is about answered items.
    """
    figures = _mean("accuracy", suites)
    if all("difference" in each for each in suites):
        figures["difference"] = _mean("mean", [each["difference"] for each in suites])
        figures["gain"] = {
            part: _mean("mean", [each["gain"][part] for each in suites]) for part in ("answer", "format")
        }
    for key, name in (("declined", "share"), ("answered", "accuracy"), ("answered_difference", "mean")):
        if found := [each[key] for each in suites if key in each]:
            figures[key] = _mean(name, found)
    if all("transitions" in each for each in suites):
        moved = Counter[str]()
        for each in suites:
            moved.update(each["transitions"])
        figures |= _moved({name: moved[name] for name in TRANSITIONS})
    return figures


def _mean(name: str, parts: Iterable[Mapping[str, Any]]) -> Figures:
    found = mean_of([MeanDifference(part[name], Interval(*part["ci95"]), part["n"]) for part in parts])
    return {name: found.mean, "ci95": found.ci95, "n": found.n}


def _format(after: SuiteResult, before: SuiteResult) -> dict[str, float]:
    """The gain of each item in the format alone: -1, 0 or 1 more in the boxes than in the tolerantly read answers."""
    total, answer = (item_changes(before.marks(by), after.marks(by)) for by in ("correct", "loose"))
    return {item: total[item] - answer[item] for item in total}
