"""Runs, models and reports side by side: accuracy on every suite, and the difference to the first one.

A difference is taken over the items that both were asked, matched by id, question and reference. Suites drawn with
another seed, or cut to fewer items, are compared on what they share, and the number of shared items is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visplay.config import Settings
from visplay.errors import EvaluationError, RunError
from visplay.evaluation.gains import benchmarks, macro_mean
from visplay.evaluation.results import Measurement, Results, SuiteResult, pool_looks, task_of
from visplay.evaluation.statistics import (
    MeanDifference,
    PairedDifference,
    bootstrap_macro_mean,
    mean_over_seeds,
    paired_difference,
)
from visplay.evaluation.summary import change_of_selected, selected_iteration
from visplay.evaluation.table import Table, marked, points, share
from visplay.roles.open import is_run
from visplay.runs import check_finished
from visplay.runs.files import read_json
from visplay.types import Suite

_NOTE = (
    "Accuracy in %, with its 95 % interval (Wilson; of the mean over suites, a bootstrap within each) and the items it "
    "is of. A difference is in points, paired over the items that both were asked, with its 95 % bootstrap interval; "
    "* the interval excludes zero."
)
_SEED_NOTE = "Points, with the paired 95 % bootstrap interval of each run; of the mean, Student's over runs."
Measured = SuiteResult | MeanDifference
Difference = PairedDifference | MeanDifference | None


@dataclass(frozen=True, slots=True)
class Contender:
    """A run, model or report by the name its user gave it, and its greedy answers."""

    name: str
    results: Results


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the comparison; both tuples are in the order of the contenders.

    Attributes:
        name: of the suite, the looks of a lab task pooled; or "mean of suites".
        differences: accuracy minus the first contender's; None of the first, and where no item is shared.
    """

    name: str
    measured: tuple[Measured, ...]
    differences: tuple[Difference, ...]

    def cells(self) -> tuple[str, ...]:
        """The row as text; the first contender has no difference."""
        cells = [self.name]
        for measured, difference in zip(self.measured, self.differences, strict=True):
            cells.append(f"{share(_mean(measured), measured.ci95)} of {measured.n}")
            cells.append(f"{marked(difference)} of {difference.n}" if difference else "no item in common")
        return (*cells[:2], *cells[3:])

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {
            "measured": [{"accuracy": _mean(m), "ci95": list(m.ci95), "n": m.n} for m in self.measured],
            "differences": [_difference_json(difference) for difference in self.differences],
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What all contenders were measured on.

    Attributes:
        lines: one for each suite.
        mean: over the suites that share no item with an earlier one.
        left_out: suites that not every contender was measured on.
    """

    names: tuple[str, ...]
    lines: tuple[Line, ...]
    mean: Line
    left_out: tuple[str, ...]

    def table(self, labels: Sequence[str], title: str = "") -> Table:
        """The comparison as a table; `labels` head the columns in place of the contenders' names."""
        first, *others = labels
        columns = ["suite", first]
        for label in others:
            columns += [label, f"{label} − {first}"]
        lines = [*self.lines, *([self.mean] if len(self.lines) > 1 else [])]
        left_out = f" Not of all, and left out: {', '.join(self.left_out)}." if self.left_out else ""
        return Table(title, tuple(columns), tuple(line.cells() for line in lines), _NOTE + left_out)

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON values; lists are in the order of `names`."""
        return {
            "names": list(self.names),
            "suites": {line.name: line.as_json() for line in self.lines},
            "mean": self.mean.as_json(),
            "left_out": list(self.left_out),
        }


def is_report(name: str) -> bool:
    """Whether `name` is a report of `visplay eval`."""
    return Path(name).suffix == ".json" and Path(name).is_file()


def check_contenders(names: Sequence[str], settings: Mapping[str, Settings]) -> None:
    """Refuse what cannot be opened, or cannot be scored with its settings, before anything is scored.

    Raises:
        EvaluationError, RunError, ModelError, ConfigError, EngineError: as `open_contender`.
    """
    for name in names:
        if name in settings:
            from visplay.evaluation.scoring import check_scorable

            check_scorable(name, settings[name])
        else:
            open_contender(name)


def open_contender(name: str, suites: Sequence[Suite] = (), settings: Settings | None = None) -> Contender:
    """Greedy answers of a run or model to `suites`; or those in a report, or of a finished run's selected iteration.

    Args:
        settings: for a run or model that is scored now, see `own_settings`; else None.
    Raises:
        EvaluationError: a report without its answers, or a model without settings.
        RunError: a run that is not finished, or was not measured.
        ModelError, ConfigError, EngineError: as `score_reasoner`.
    """
    if settings is not None:
        from visplay.evaluation.scoring import score_reasoner

        return Contender(name, score_reasoner(name, suites, settings, sampled=False).greedy)
    if is_report(name):
        answers = Path(name).with_suffix(".answers.jsonl")
        if not answers.is_file():
            raise EvaluationError(f"{name} has no answers beside it ({answers.name}); score again with `visplay eval`")
    elif is_run(name):
        run = Path(name)
        check_finished(run)
        iteration = selected_iteration(read_json(run / "summary.json"))
        answers = run / "measurements" / f"iteration-{iteration}.jsonl"
        if not answers.is_file():
            raise RunError(f"{run} was not measured as it is handed over (iteration {iteration}); score it by --suites")
    else:
        raise EvaluationError(
            f"'{name}' is neither a run nor a report; what a model is to be scored on, --suites or --data say"
        )
    try:
        return Contender(name, Measurement.load(answers).greedy)
    except (ValueError, KeyError, TypeError):
        raise EvaluationError(f"{answers} is no file of answers; score again with `visplay eval`") from None


def compare(contenders: Sequence[Contender]) -> Comparison:
    """All contenders on the suites that every one of them was measured on.

    Raises:
        EvaluationError: fewer than two contenders, or no suite in common.
    """
    if len(contenders) < 2:
        raise EvaluationError("one alone cannot be compared; name at least two runs, models or reports")
    pooled = [pool_looks(contender.results.values()) for contender in contenders]
    every = dict.fromkeys(name for results in pooled for name in results)
    common = [name for name in every if all(name in results for results in pooled)]
    if not common:
        had = "; ".join(f"{c.name}: {', '.join(results)}" for c, results in zip(contenders, pooled, strict=True))
        raise EvaluationError(f"no suite in common ({had}); name one by --suites or --data, and all are scored on it")
    counted = list(benchmarks({name: pooled[0][name] for name in common}))
    first, *others = shared = [{name: results[name] for name in counted} for results in pooled]
    return Comparison(
        names=tuple(contender.name for contender in contenders),
        lines=tuple(_line(name, [results[name] for results in pooled]) for name in common),
        mean=Line(
            "mean of suites",
            tuple(macro_mean(results) for results in shared),
            (None, *(_mean_difference(results, first) for results in others)),
        ),
        left_out=tuple(name for name in every if name not in common),
    )


def coinciding(one: SuiteResult, other: SuiteResult) -> list[str]:
    """Ids of the items that both were asked, in the order of `one`."""
    theirs = {mark.item_id: (mark.question, mark.reference) for mark in other.answered}
    return [mark.item_id for mark in one.answered if theirs.get(mark.item_id) == (mark.question, mark.reference)]


def _line(suite: str, measured: Sequence[SuiteResult]) -> Line:
    first, *others = measured
    return Line(suite, tuple(measured), (None, *(_paired(result, first) for result in others)))


def _paired(result: SuiteResult, first: SuiteResult) -> PairedDifference | None:
    items, before, after = coinciding(first, result), first.marks(), result.marks()
    if not items:
        return None
    return paired_difference({item: before[item] for item in items}, {item: after[item] for item in items})


def _mean_difference(results: Results, first: Results) -> MeanDifference | None:
    changes = []
    for name, result in results.items():
        before, after = first[name].marks(), result.marks()
        changes.append([after[item] - before[item] for item in coinciding(first[name], result)])
    return bootstrap_macro_mean(changes) if all(changes) else None


def _mean(measured: Measured) -> float:
    return measured.accuracy if isinstance(measured, SuiteResult) else measured.mean


def _difference_json(difference: Difference) -> dict[str, Any] | None:
    if difference is None:
        return None
    figures: dict[str, Any] = {"mean": difference.mean, "ci95": list(difference.ci95), "n": difference.n}
    return figures | ({"p_mcnemar": difference.p_mcnemar} if isinstance(difference, PairedDifference) else {})


def compare_seeds(summaries: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Runs that differ in their seed alone, as JSON values; lists are in the order of `names`.

    Args:
        summaries: summary.json of each run.
    Returns:
        "seeds": by title and suite, the greedy change from the base of what each run hands over (`each`), with its
        paired interval, and the mean over runs with Student's interval. Then the same for each control that every
        run has, and the lead over it.
    Raises:
        EvaluationError: a run has no suite with a measured base.
    """
    blocks = {"change from the base": _over_seeds([_changes(summary) for summary in summaries])}
    controls = [summary["controls"] for summary in summaries]
    for name in controls[0]:
        if all(name in one for one in controls):
            leads = [{suite: each[-1] for suite, each in one[name]["lead"].items()} for one in controls]
            blocks[f"{name}: change from the base"] = _over_seeds([_changes(one[name]) for one in controls])
            blocks[f"ahead of {name}"] = _over_seeds(leads)
    return {"names": list(names), "seeds": blocks}


def seed_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What `compare_seeds` found as lines, figures in points."""
    for title, rows in found["seeds"].items():
        yield title
        for suite, row in rows.items():
            *each, mean = _seed_cells(row)
            yield f"  {suite:20} {'  '.join(each)}  mean {mean}"


def seed_tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """What `compare_seeds` found as tables, figures in points, a column for each run."""
    for title, rows in found["seeds"].items():
        cells = tuple((suite, *_seed_cells(row)) for suite, row in rows.items())
        yield Table(title, ("suite", *found["names"], "mean"), cells, _SEED_NOTE)


def _seed_cells(row: Mapping[str, Any]) -> list[str]:
    return [points(one["mean"], one["ci95"]) for one in (*row["each"], row)]


def _changes(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = {
        name: change_of_selected(summary, name)
        for name, suite in summary["suites"].items()
        if suite["base"] and suite["iterations"] and task_of(name) is None
    }
    if not found:
        raise EvaluationError("nothing to compare: no suite was measured before and after")
    return found


def _over_seeds(runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """By suite that every run has, lab tasks pooled: each run's difference, and their mean."""
    rows = {}
    for suite in runs[0]:
        if task_of(suite) is None and all(suite in run for run in runs):
            each = [{"mean": run[suite]["mean"], "ci95": list(run[suite]["ci95"])} for run in runs]
            mean = mean_over_seeds([one["mean"] for one in each])
            ci95 = list(mean.ci95) if mean.ci95 else None
            rows[suite] = {"each": each, "mean": mean.mean, "ci95": ci95, "seeds": mean.seeds}
    return rows
