"""Runs, models and reports side by side: accuracy on every suite, and the difference to the first one.

A difference is taken over the items that both were asked, and their number is shown: suites may have been drawn with
another seed, or cut to fewer items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from visplay.config import Settings
from visplay.errors import EvaluationError, RunError
from visplay.evaluation.baseline_figures import (
    baseline_results,
    lead_over,
    mean_baselines,
    mean_lead_over,
    suite_baselines,
)
from visplay.evaluation.headline import headline
from visplay.evaluation.report import change_table
from visplay.evaluation.results import (
    Measurement,
    Results,
    SuiteResult,
    benchmarks,
    measurement_file,
    pool_looks,
    task_of,
)
from visplay.evaluation.statistics import mean_over_seeds
from visplay.evaluation.summary import (
    Figures,
    accuracy_figures,
    change_of_selected,
    macro_summary,
    mean_figures,
    selected_iteration,
    suites_summary,
)
from visplay.evaluation.table import Table, marked, points, share
from visplay.roles.open import is_run
from visplay.runs import check_finished
from visplay.runs.files import read_json
from visplay.runs.open_run import legible
from visplay.types import Suite

_NOTE = (
    "Accuracy in %, with its 95 % interval and the items it is of. A difference is in points, paired over the items "
    "that both were asked, with its 95 % interval; * it excludes zero."
)
_BASELINES = (
    " A lead is the accuracy minus that of the best baseline without training, which the base of the first contender "
    "was measured with, on the items of both."
)
_SEED_NOTE = "Points, with the paired 95 % interval of each run; of the mean, Student's over runs."


def is_report(name: str) -> bool:
    """Whether `name` is a report of `visplay eval`."""
    return Path(name).suffix == ".json" and Path(name).is_file()


def open_contenders(names: Sequence[str], suites: Sequence[Suite], settings: Mapping[str, Settings]) -> list[Results]:
    """Greedy answers of runs and models to `suites`; else stored answers, of a report or of a run's selected iteration.

    Args:
        settings: the settings of each run or model that is scored now, by its name; see `own_settings`.
    Raises:
        EvaluationError: answers are missing.
        RunError, ModelError, ConfigError, EngineError: see `check_scorable`.
    """
    kept = {name: _kept_answers(name) for name in names if name not in settings}
    if not settings:
        return [kept[name] for name in names]
    from visplay.evaluation.scoring import check_scorable, score_reasoner  # imports torch

    for name, chosen in settings.items():
        check_scorable(name, chosen)
    return [
        score_reasoner(name, suites, settings[name], sampled=False).greedy if name in settings else kept[name]
        for name in names
    ]


def kept_baselines(name: str) -> dict[str, Results]:
    """The baselines of the base of a run or report, by name; empty where none are stored."""
    files = {True: Path(name).with_suffix(".base.answers.jsonl"), False: measurement_file(Path(name), 0)}
    file = files[is_report(name)]
    return baseline_results(_answers(file)) if file.is_file() else {}


def _kept_answers(name: str) -> Results:
    if is_report(name):
        answers = Path(name).with_suffix(".answers.jsonl")
        if not answers.is_file():
            raise EvaluationError(f"{name} has no answers beside it ({answers.name}); score again with `visplay eval`")
    elif is_run(name):
        run = Path(name)
        check_finished(run)
        with legible(run):
            iteration = selected_iteration(read_json(run / "summary.json"))
        answers = measurement_file(run, iteration)
        if not answers.is_file():
            raise RunError(f"{run} was not measured as it is handed over (iteration {iteration}); score it by --suites")
    else:
        raise EvaluationError(
            f"'{name}' is neither a run nor a report; what a model is to be scored on, --suites or --data say"
        )
    return _answers(answers).greedy


def _answers(answers: Path) -> Measurement:
    try:
        return Measurement.load(answers)
    except EvaluationError as error:
        raise EvaluationError(f"{answers} is no file of answers; score again with `visplay eval` ({error})") from None


def compare(
    names: Sequence[str], answers: Sequence[Results], baselines: Mapping[str, Results] | None = None
) -> Figures:
    """All contenders on the suites that they have in common, as JSON values; the names are those that the user gave.

    Args:
        baselines: see `kept_baselines`.

    Returns:
        "names"; "suites" by name, with the styles of a lab task pooled; "mean", over the suites that share no item with
        an earlier suite; "left_out", the suites that some contender was not measured on. A suite and the mean have two
        lists in the order of `names`: "measured" has accuracies, and "differences" the differences from the first
        contender, paired by item. "accounts", in the same order, have `suites` and `macro` as in a report of
        `visplay eval`, of the items that both were asked, with the first contender as the base. A difference or an
        account is None for the first contender, and if no item is shared. "headlines" are the accounts in words. With
        baselines a suite and the mean have "baselines" as a summary has it, with "leads" over the best one, in the
        order of `names`.
    Raises:
        EvaluationError: fewer than two contenders, or no suite in common.
    """
    if len(names) < 2:
        raise EvaluationError("one alone cannot be compared; name at least two runs, models or reports")
    pooled = [pool_looks(results.values()) for results in answers]
    every = dict.fromkeys(name for results in pooled for name in results)
    common = [name for name in every if all(name in results for results in pooled)]
    if not common:
        had = "; ".join(f"{name}: {', '.join(results)}" for name, results in zip(names, pooled, strict=True))
        raise EvaluationError(f"no suite in common ({had}); name one by --suites or --data, and all are scored on it")
    counted = list(benchmarks({name: pooled[0][name] for name in common}))
    led = _over_baselines(baselines or {}, pooled, common, counted)
    measured = {name: [accuracy_figures(each[name].marks(), each[name].images()) for each in pooled] for name in common}
    accounts = [None, *(_account([(pooled[0][name], each[name]) for name in common]) for each in pooled[1:])]
    return {
        "names": list(names),
        "suites": {
            name: {
                "measured": measured[name],
                "differences": [_difference(account["suites"].get(name)) if account else None for account in accounts],
                **led[name],
            }
            for name in common
        },
        "mean": {
            "measured": [mean_figures(parts) for parts in zip(*(measured[name] for name in counted), strict=True)],
            "differences": [
                _difference(account["macro"]) if account and set(counted) <= account["suites"].keys() else None
                for account in accounts
            ],
            **led["mean"],
        },
        "accounts": accounts,
        "headlines": [asdict(headline(account, {})) if account else None for account in accounts],
        "left_out": [name for name in every if name not in common],
    }


def _over_baselines(
    baselines: Mapping[str, Results],
    answers: Sequence[Mapping[str, SuiteResult]],
    common: Sequence[str],
    counted: Sequence[str],
) -> dict[str, Figures]:
    """What `compare` tells of baselines, by suite and for the mean; nothing where some baseline is not measured."""
    found: dict[str, Figures] = {name: {} for name in (*common, "mean")}
    measured = [name for name in common if baselines and all(name in results for results in baselines.values())]
    for name in measured:
        here = {baseline: results[name] for baseline, results in baselines.items()}
        told = suite_baselines(here, None)
        found[name] = {"baselines": told | {"leads": [lead_over(told["best"], here, each[name]) for each in answers]}}
    if set(counted) <= set(measured):
        groups = {baseline: [results[name] for name in counted] for baseline, results in baselines.items()}
        told = mean_baselines(groups, [None for _ in counted])
        ours = ([each[name] for name in counted] for each in answers)
        found["mean"] = {"baselines": told | {"leads": [mean_lead_over(told["best"], groups, each) for each in ours]}}
    return found


def _account(pairs: Sequence[tuple[SuiteResult, SuiteResult]]) -> Figures | None:
    """`suites` and `macro` of the second of each pair against the first, over the items of both."""
    shared = [both for first, other in pairs if (both := first.shared(other))]
    if not shared:
        return None
    base, model = (Measurement({"greedy": {each.name: each for each in side}}) for side in zip(*shared, strict=True))
    return {"suites": suites_summary(base, [model]), "macro": macro_summary(base, [model])}


def _difference(figures: Mapping[str, Any] | None) -> Figures | None:
    found: Figures | None = figures["iterations"][-1]["difference"] if figures else None
    return found


def comparison_table(found: Mapping[str, Any], labels: Sequence[str], title: str = "") -> Table:
    """The result of `compare` as a table; `labels` are the heads of the columns, instead of the contenders' names."""
    first, *others = labels
    columns = ["suite", first, *(column for label in others for column in (label, f"{label} − {first}"))]
    lines = {**found["suites"]} | ({"mean of suites": found["mean"]} if len(found["suites"]) > 1 else {})
    rows = []
    for name, line in lines.items():
        cells = [name]
        for measured, difference in zip(line["measured"], line["differences"], strict=True):
            cells.append(f"{share(measured['accuracy'], measured['ci95'])} of {measured['n']}")
            cells.append(f"{marked(difference)} of {difference['n']}" if difference else "no item in common")
        rows.append((*cells[:2], *cells[3:]))
        if "baselines" in line:
            rows.append(_lead_row(line["baselines"]))
    left_out = f" Not of all, and left out: {', '.join(found['left_out'])}." if found["left_out"] else ""
    note = _NOTE + (_BASELINES if any("baselines" in line for line in lines.values()) else "")
    return Table(title, tuple(columns), tuple(rows), note + left_out)


def _lead_row(baselines: Mapping[str, Any]) -> tuple[str, ...]:
    """The best baseline with its accuracy, and below each contender its lead."""
    best = baselines[baselines["best"]]
    head = f"  {baselines['best']}: {share(best['accuracy'], best['ci95'])} of {best['n']}"
    first, *others = (
        f"lead {marked(lead)} of {lead['n']}" if lead else "no item in common" for lead in baselines["leads"]
    )
    return (head, first, *(cell for lead in others for cell in (lead, "")))


def account_tables(found: Mapping[str, Any], labels: Sequence[str]) -> Iterator[Table]:
    """What each difference from the first contender is made of; the notes say the headlines."""
    for label, account, told in zip(labels, found["accounts"], found["headlines"], strict=True):
        if account:
            table = change_table(account)
            words = " ".join((f"{told['verdict'].capitalize()}.", *told["sentences"]))
            yield replace(table, title=f"{label} − {labels[0]}: {table.title}", note=f"{table.note}\n{words}")


def compare_seeds(summaries: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Figures:
    """Runs that differ in their seed alone, by the summary.json of each, as JSON values; lists are as `names`.

    Returns:
        "seeds": by title and suite, the greedy change from the base of what each run hands over (`each`), and the mean
        over runs with Student's interval; the same for each control that every run has, and the lead over it, and
        over the best baseline of each run.
    Raises:
        EvaluationError: a run has no suite with a measured base.
    """
    blocks = {"change from the base": [_changes(summary) for summary in summaries]}
    if all(over := [_leads(summary) for summary in summaries]):
        blocks["lead over the best baseline without training"] = over
    controls = [summary["controls"] for summary in summaries]
    for name in controls[0]:
        if all(name in each for each in controls):
            blocks[f"{name}: change from the base"] = [_changes(each[name]) for each in controls]
            leads = ([(suite, found[-1]) for suite, found in each[name]["lead"].items()] for each in controls)
            blocks[f"ahead of {name}"] = [dict(lead) for lead in leads]
    return {"names": list(names), "seeds": {title: _over_seeds(changes) for title, changes in blocks.items()}}


def seed_tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """What `compare_seeds` found as tables, figures in points, a column for each run."""
    for title, suites in found["seeds"].items():
        rows = [
            (name, *(points(one["mean"], one["ci95"]) for one in (*row["each"], row))) for name, row in suites.items()
        ]
        yield Table(title, ("suite", *found["names"], "mean"), tuple(rows), _SEED_NOTE)


def _changes(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    measured = [name for name, suite in summary["suites"].items() if suite["base"] and suite["iterations"]]
    if not measured:
        raise EvaluationError("nothing to compare: no suite was measured before and after")
    return {name: change_of_selected(summary, name) for name in measured}


def _leads(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The lead over the best baseline of what a run hands over, of each suite that has baselines."""
    iteration = selected_iteration(summary)
    found = {}
    for name, suite in summary["suites"].items():
        if "baselines" in suite and iteration:
            found[name] = suite["iterations"][iteration - 1].get("lead_over_baseline")
        elif "baselines" in suite:
            gain = suite["baselines"][suite["baselines"]["best"]]["difference"]
            found[name] = {"mean": -gain["mean"], "ci95": [-gain["ci95"][1], -gain["ci95"][0]]}
    return {name: lead for name, lead in found.items() if lead}


def _over_seeds(runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> Figures:
    """By suite that every run has, lab tasks pooled: each run's difference, and their mean."""
    rows = {}
    for suite in runs[0]:
        if task_of(suite) is None and all(suite in run for run in runs):
            each = [{"mean": run[suite]["mean"], "ci95": run[suite]["ci95"]} for run in runs]
            rows[suite] = {"each": each, **asdict(mean_over_seeds([one["mean"] for one in each]))}
    return rows
