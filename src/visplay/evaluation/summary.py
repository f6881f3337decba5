"""The `suites` and `macro` parts of a run's summary.json. Accuracies and shares are fractions in [0, 1].

    "suites": {"easy_vqa_open": {
        "base": {"accuracy", "ci95", "n",
                 "tolerant": {"accuracy", "ci95", "n"},
                 "unparseable": {"share", "ci95", "n"}, "truncated": {"share", "ci95", "n"},
                 "kinds": {"colour": {"accuracy", "ci95", "n"}, …},
                 "sampled": {"accuracy", …}},
        "iterations": [{"accuracy", …, "difference": {"mean", "ci95", "p_mcnemar", "n"},
                        "gain": {"answer": {"mean", "ci95", "p_mcnemar", "n"}, "format": {"mean", "ci95", "n"}},
                        "sampled": {"accuracy", …, "difference": {…}, "gain": {…}},
                        "pass@8": {…}, "maj@8": {…, "calibration": {"error", "ci95", "n", "bins": [{…}, …]}},
                        "no_image": {…}, "above_no_image": {"mean", "ci95", "p_mcnemar", "n"}}, …]}, …}
    "macro": {"base": {"accuracy", "ci95", "n", "benchmarks": [names]},
              "iterations": [{…, "difference": {"mean", "ci95", "n"}, "gain": {"answer": {…}, "format": {…}}}, …]}

Figures at the top are greedy; the others stand there when they were asked for. A difference is from the base decoded
in the same way: pass@8 is never compared with pass@4.
Lab suites appear look by look (`lab/counting/pastel`) and pooled by task (`lab/counting`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from visplay.evaluation.calibration import calibration
from visplay.evaluation.gains import Gain, MacroGain, benchmarks, gain, macro_gain, macro_mean
from visplay.evaluation.results import Measurement, Results, SuiteResult, pool_looks
from visplay.evaluation.statistics import wilson_interval


def suites_summary(base: Measurement | None, iterations: Sequence[Measurement]) -> dict[str, Any]:
    """JSON-able figures of every suite and every pooled lab task.

    Args:
        base: None when it was not measured; `base` is then null and no `difference` is given.
    """
    before = _decodings(base) if base else {}
    after = [_decodings(measurement) for measurement in iterations]
    names = dict.fromkeys(name for each in (before, *after) for name in each.get("greedy", {}))
    return {
        name: {
            "base": _figures(name, before, {}) if before else None,
            "iterations": [_figures(name, measured, before) for measured in after],
        }
        for name in names
    }


def macro_summary(base: Measurement | None, iterations: Sequence[Measurement]) -> dict[str, Any]:
    """JSON-able figures of the plain mean over benchmarks of the greedy accuracies."""
    return {
        "base": _macro(base.greedy, None) if base else None,
        "iterations": [_macro(measured.greedy, base.greedy if base else None) for measured in iterations],
    }


def lead(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> dict[str, list[dict[str, Any]]]:
    """Greedy accuracy of one run minus that of another, paired by item: by suite, iteration by iteration."""
    pairs = [(_and_pooled(a.greedy), _and_pooled(b.greedy)) for a, b in zip(ours, theirs, strict=False)]
    names = dict.fromkeys(name for mine, other in pairs for name in mine if name in other)
    return {name: [_difference(mine[name], other[name]) for mine, other in pairs] for name in names}


def _decodings(measurement: Measurement) -> dict[str, Results]:
    return {decoding: _and_pooled(results) for decoding, results in measurement.by_decoding().items()}


def _and_pooled(results: Results) -> Results:
    return {**pool_looks(results.values()), **results}


def _figures(name: str, measured: Mapping[str, Results], base: Mapping[str, Results]) -> dict[str, Any]:
    figures = {
        decoding: _marks(results[name], base.get(decoding, {}).get(name))
        for decoding, results in measured.items()
        if name in results
    }
    greedy = measured["greedy"][name]
    kinds, before = greedy.by_kind(), _kinds(base.get("greedy", {}).get(name))
    top = figures.pop("greedy") | {"kinds": {kind: _accuracy(each, before.get(kind)) for kind, each in kinds.items()}}
    if "no_image" in figures:
        figures["above_no_image"] = asdict(greedy.difference_to(measured["no_image"][name]))
    for decoding, results in measured.items():
        if decoding.startswith("maj@") and name in results:
            found = calibration(results[name])
            figures[decoding]["calibration"] = asdict(found) if found else None
    return top | figures


def _kinds(result: SuiteResult | None) -> dict[str, SuiteResult]:
    return result.by_kind() if result else {}


def _marks(result: SuiteResult, base: SuiteResult | None) -> dict[str, Any]:
    """Accuracy by either reader, and what was not read."""
    figures = _accuracy(result, base)
    if base:
        figures["gain"] = _parts(gain(result, base))
    return figures | {
        "tolerant": _accuracy(result.tolerant, None),
        "unparseable": _share(result.unboxed, result.n),
        "truncated": _share(result.truncated, result.n),
    }


def _accuracy(result: SuiteResult, base: SuiteResult | None) -> dict[str, Any]:
    figures: dict[str, Any] = {"accuracy": result.accuracy, "ci95": result.ci95, "n": result.n}
    if base:
        figures["difference"] = _difference(result, base)
    return figures


def _parts(parts: Gain | MacroGain) -> dict[str, Any]:
    return {"answer": asdict(parts.answer), "format": asdict(parts.format)}


def _share(count: int, n: int) -> dict[str, Any]:
    return {"share": count / n, "ci95": wilson_interval(count, n), "n": n}


def _difference(result: SuiteResult, base: SuiteResult) -> dict[str, Any]:
    return asdict(result.difference_to(base))


def _macro(results: Results, base: Results | None) -> dict[str, Any]:
    mean = macro_mean(results)
    figures: dict[str, Any] = {"accuracy": mean.mean, "ci95": mean.ci95, "n": mean.n}
    if base:
        parts = macro_gain(results, base)
        figures["difference"] = asdict(parts.total)
        figures["gain"] = _parts(parts)
    return figures | {"benchmarks": list(benchmarks(results))}


def selected_iteration(summary: Mapping[str, Any]) -> int:
    """The iteration whose roles a finished run hands over: the best accepted one, 0 for the base; without
    verdicts the last.

    Which is best is in the last verdict. Without labels to tell it by, and in summaries that do not say, it is the last
    accepted one, which was found to be no worse than any before it.
    """
    verdicts = summary.get("acceptance", ())
    if verdicts and "selected_iteration" in verdicts[-1]:
        return int(verdicts[-1]["selected_iteration"])
    if verdicts:
        return max((verdict["iteration"] for verdict in verdicts if verdict["accepted"]), default=0)
    return max((len(suite["iterations"]) for suite in summary["suites"].values()), default=0)


def change_of_selected(summary: Mapping[str, Any], suite: str) -> Mapping[str, Any]:
    """Greedy change of a suite from the base to what a run hands over: `mean` and `ci95`, both 0 for the base."""
    iteration = selected_iteration(summary)
    if not iteration:
        return {"mean": 0.0, "ci95": [0.0, 0.0]}
    change: Mapping[str, Any] = summary["suites"][suite]["iterations"][iteration - 1]["difference"]
    return change
