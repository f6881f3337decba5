"""The figures of measurements: `suites` and `macro` of a run's summary.json and of a report of `visplay eval`.

docs/evaluation.md describes both. All are JSON values; accuracies, shares and differences are fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from visplay.evaluation.baseline_figures import macro_with_baselines, with_baselines
from visplay.evaluation.baselines import BASELINES
from visplay.evaluation.results import Measurement, Results, SuiteResult, benchmarks, pool_looks
from visplay.evaluation.statistics import bootstrap_mean, calibration, item_changes, paired_difference, wilson_interval

Figures = dict[str, Any]


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

    Intervals come from a bootstrap within each benchmark. Benchmarks with only right or only wrong answers do not vary.

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
    greedy = results["greedy"]
    earlier = before["greedy"].by_kind() if "greedy" in before else {}
    kinds = {kind: accuracy_figures(marks, earlier.get(kind)) for kind, marks in greedy.by_kind().items()}
    if "no_image" in results:
        figures["above_no_image"] = asdict(greedy.difference_to(results["no_image"]))
    for decoding, result in results.items():
        if decoding.startswith("maj@"):
            votes = ((mark.share or 0.0, mark.correct) for mark in result.answered)
            figures[decoding]["calibration"] = calibration(votes)
    return figures.pop("greedy") | {"kinds": kinds} | figures


def _decoding(result: SuiteResult, base: SuiteResult | None) -> Figures:
    """Accuracy by either reader, and what was not read."""
    figures = accuracy_figures(result.marks(), base.marks() if base else None)
    if base:
        answer = paired_difference(base.marks("loose"), result.marks("loose"))
        by_format = bootstrap_mean([_parts(result, base)[2]])
        figures["gain"] = {"answer": asdict(answer), "format": asdict(by_format)}
    unboxed = sum(mark.given is None for mark in result.answered)
    truncated = sum(not mark.finished for mark in result.answered)
    figures["tolerant"] = accuracy_figures(result.marks("loose"))
    for key, count in (("unparseable", unboxed), ("truncated", truncated)):
        figures[key] = {"share": count / result.n, "ci95": wilson_interval(count, result.n), "n": result.n}
    return figures


def accuracy_figures(marks: Mapping[str, bool], base: Mapping[str, bool] | None = None) -> Figures:
    """Accuracy of the marks by item id, with its interval, and the paired difference from those of a base."""
    right, n = sum(marks.values()), len(marks)
    figures: Figures = {"accuracy": right / n, "ci95": wilson_interval(right, n), "n": n}
    return figures | ({"difference": asdict(paired_difference(base, marks))} if base else {})


def _macro(results: Results, base: Results | None) -> Figures:
    ours = benchmarks(results)
    mean = bootstrap_mean([list(each.marks().values()) for each in ours.values()])
    figures: Figures = {"accuracy": mean.mean, "ci95": mean.ci95, "n": mean.n}
    if base:
        theirs = benchmarks(base)
        if ours.keys() != theirs.keys():
            raise ValueError(f"no macro difference between {', '.join(ours)} and {', '.join(theirs)}")
        parts = zip(*(_parts(ours[name], theirs[name]) for name in ours), strict=True)
        difference, answer, by_format = (asdict(bootstrap_mean(part)) for part in parts)
        figures |= {"difference": difference, "gain": {"answer": answer, "format": by_format}}
    return figures | {"benchmarks": list(ours)}


def _parts(after: SuiteResult, before: SuiteResult) -> tuple[list[float], list[float], list[float]]:
    """The gain of each item, -1, 0 or 1: in total, in the answer by the tolerant reader, and in the format alone."""
    total, answer = (item_changes(before.marks(by), after.marks(by)) for by in ("correct", "loose"))
    return total, answer, [whole - part for whole, part in zip(total, answer, strict=True)]
