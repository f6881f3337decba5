"""Figures of the baselines without training, and the lead of a model over the best of them.

Choosing the best baseline on the items that a lead is computed on favours the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from visplay.evaluation.baselines import BASELINES
from visplay.evaluation.results import Measurement, Results, SuiteResult, benchmarks, pool_looks
from visplay.evaluation.statistics import MeanDifference, PairedDifference, accuracy_interval, mean_of

Figures = dict[str, Any]


def baseline_results(base: Measurement | None) -> dict[str, Results]:
    """The results of each baseline that a base was measured with, those of lab tasks with their looks pooled first."""
    found = {name: base.by_decoding[name] for name in BASELINES if name in base.by_decoding} if base else {}
    return {name: {**pool_looks(results.values()), **results} for name, results in found.items()}


def with_baselines(suites: Figures, base: Measurement | None, iterations: Sequence[Measurement]) -> Figures:
    """The `suites` of a summary, with `baselines` and each iteration's `lead_over_baseline`, where votes were asked."""
    measured = baseline_results(base)
    answers = [_pooled(each.greedy) for each in (base, *iterations) if each]
    found = {}
    for name, figures in suites.items():
        by_baseline = {each: results[name] for each, results in measured.items() if name in results}
        if by_baseline:
            before, *after = (each.get(name) for each in answers)
            told = suite_baselines(by_baseline, before)
            leads = [lead_over(told["best"], by_baseline, each) for each in after]
            figures = _joined(figures, told, leads)
        found[name] = figures
    return found


def macro_with_baselines(macro: Figures, base: Measurement | None, iterations: Sequence[Measurement]) -> Figures:
    """The same for `macro`: one baseline for all benchmarks, the best by the mean over them."""
    measured = baseline_results(base)
    names = list(benchmarks(base.greedy)) if base and measured else []
    if not names or any(name not in results for results in measured.values() for name in names):
        return macro
    answers = [_pooled(each.greedy) for each in (base, *iterations) if each]
    groups = {each: [results[name] for name in names] for each, results in measured.items()}
    before, *after = ([each.get(name) for name in names] for each in answers)
    told = mean_baselines(groups, before)
    return _joined(macro, told, [mean_lead_over(told["best"], groups, each) for each in after])


def suite_baselines(by_baseline: Mapping[str, SuiteResult], base: SuiteResult | None) -> Figures:
    """Accuracy of each baseline, its difference from the base's greedy answers to the same items, and the `best`."""
    found = {}
    for name, result in by_baseline.items():
        found[name] = {"accuracy": result.accuracy, "ci95": _accuracy(result).ci95, "n": result.n}
        if change := _difference(base, result):
            found[name]["difference"] = change
    return _best(found) | found


def mean_baselines(groups: Mapping[str, Sequence[SuiteResult]], base: Sequence[SuiteResult | None]) -> Figures:
    """The same of the plain mean over benchmarks, given the results of each baseline in their order."""
    found = {}
    for name, results in groups.items():
        mean = mean_of([_accuracy(each) for each in results])
        found[name] = {"accuracy": mean.mean, "ci95": mean.ci95, "n": mean.n}
        if change := _mean_difference(base, results):
            found[name]["difference"] = change
    return _best(found) | found


def lead_over(best: str, by_baseline: Mapping[str, SuiteResult], ours: SuiteResult | None) -> Figures | None:
    """Greedy accuracy minus that of the best baseline, paired over the items of both; None if there is none."""
    lead = _difference(by_baseline[best], ours)
    return lead | {"baseline": best} if lead else None


def mean_lead_over(
    best: str, groups: Mapping[str, Sequence[SuiteResult]], ours: Sequence[SuiteResult | None]
) -> Figures | None:
    """The same of the mean over benchmarks; None if a benchmark has no item that both were asked."""
    lead = _mean_difference(groups[best], ours)
    return lead | {"baseline": best} if lead else None


def _joined(figures: Figures, baselines: Figures, leads: Sequence[Figures | None]) -> Figures:
    iterations = [
        {**one, **({"lead_over_baseline": lead} if lead else {})}
        for one, lead in zip(figures["iterations"], leads, strict=True)
    ]
    return {**figures, "baselines": baselines, "iterations": iterations}


def _best(found: Mapping[str, Figures]) -> Figures:
    # Of equal accuracies, `max` keeps the first.
    return {"best": max(found, key=lambda name: found[name]["accuracy"])}


def _pooled(results: Results) -> dict[str, SuiteResult]:
    return {**pool_looks(results.values()), **results}


def _accuracy(result: SuiteResult) -> MeanDifference:
    return MeanDifference(result.accuracy, accuracy_interval(result.marks(), result.images()), result.n)


def _difference(before: SuiteResult | None, after: SuiteResult | None) -> Figures | None:
    change = _change(before, after)
    return asdict(change) if change else None


def _mean_difference(before: Sequence[SuiteResult | None], after: Sequence[SuiteResult | None]) -> Figures | None:
    changes = [_change(*each) for each in zip(before, after, strict=True)]
    found = [change for change in changes if change]
    return asdict(mean_of(found)) if len(found) == len(changes) else None


def _change(before: SuiteResult | None, after: SuiteResult | None) -> PairedDifference | None:
    """The difference on the items that both were asked; None without such an item."""
    pair = before.shared(after) if before and after else None
    return pair[1].difference_to(pair[0]) if pair else None
