"""The `suites` part of a run's summary.json. Accuracies are fractions in [0, 1].

    {"easy_vqa_open": {
        "base": {"accuracy", "ci95", "n", "sampled": {"accuracy", "ci95", "n"}},
        "iterations": [{"accuracy", "ci95", "n", "difference": {"mean", "ci95", "p_mcnemar"},
                        "sampled": {"accuracy", "ci95", "n", "difference": {…}},
                        "pass@8": {…}, "maj@8": {…}}, …]}, …}

Figures at the top are greedy; the others stand there when they were asked for. A difference is from the base decoded
in the same way: pass@8 is never compared with pass@4.
Lab suites appear look by look (`lab/counting/pastel`) and pooled by task (`lab/counting`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visplay.evaluation.results import Measurement, Results, SuiteResult, pool_looks


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
        decoding: _accuracy(results[name], base.get(decoding, {}).get(name))
        for decoding, results in measured.items()
        if name in results
    }
    return figures.pop("greedy") | figures


def _accuracy(result: SuiteResult, base: SuiteResult | None) -> dict[str, Any]:
    figures: dict[str, Any] = {"accuracy": result.accuracy, "ci95": list(result.ci95), "n": result.n}
    if base:
        figures["difference"] = _difference(result, base)
    return figures


def _difference(result: SuiteResult, base: SuiteResult) -> dict[str, Any]:
    difference = result.difference_to(base)
    return {"mean": difference.mean, "ci95": list(difference.ci95), "p_mcnemar": difference.p_mcnemar}


def handed_over(summary: Mapping[str, Any]) -> int:
    """The iteration whose roles a finished run hands over: the best accepted one, 0 for the base; without
    verdicts the last.

    Which is best is in the last verdict. Without labels to tell it by, and in summaries that do not say, it is the last
    accepted one, which was found to be no worse than any before it.
    """
    verdicts = summary.get("acceptance", ())
    if verdicts and "handed_over" in verdicts[-1]:
        return int(verdicts[-1]["handed_over"])
    if verdicts:
        return max((verdict["iteration"] for verdict in verdicts if verdict["accepted"]), default=0)
    return max((len(suite["iterations"]) for suite in summary["suites"].values()), default=0)


def change_handed_over(summary: Mapping[str, Any], suite: str) -> Mapping[str, Any]:
    """Greedy change of a suite from the base to what a run hands over: `mean` and `ci95`, both 0 for the base."""
    iteration = handed_over(summary)
    if not iteration:
        return {"mean": 0.0, "ci95": [0.0, 0.0]}
    change: Mapping[str, Any] = summary["suites"][suite]["iterations"][iteration - 1]["difference"]
    return change
