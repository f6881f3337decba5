"""The tables that `visplay eval` and `visplay evolve` print: small ones, each about one thing.

Suites appear with the looks of a lab task pooled. No figure stands without the number of items it was taken on, nor
without its 95 % interval. `docs/evaluation.md` says how each is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from textwrap import fill
from typing import Any

from visplay.evaluation.calibration import Calibration, calibration
from visplay.evaluation.gains import Gain, benchmarks, gain, macro_gain, macro_mean
from visplay.evaluation.results import Measurement, Results, SuiteResult, pool_looks, task_of
from visplay.evaluation.statistics import wilson_interval
from visplay.evaluation.table import Table, marked, points, share

WIDTH = 100
"""Characters a line, with names of suites as the lab's."""

Pooled = Mapping[str, SuiteResult]
_RUN = (
    "± is half the 95 % Wilson interval; change is from the base, paired by item, with its 95 % bootstrap interval; "
    "* the interval excludes zero."
)
_ACCURACIES = fill(
    "Wilson interval of an accuracy; a change is paired by item, with its bootstrap interval; * it excludes zero. "
    "The macro mean weighs every suite the same; one that shares items with a suite above it is left out.",
    WIDTH,
)
_READ = fill(
    "Greedy answers. The tolerant reader takes a box where there is one, else what is plainly said. Without a "
    "box an answer counts as wrong above; cut off are texts that reached the length limit.",
    WIDTH,
)
_PARTED = fill(
    "total is the change of boxed answers, answer that of tolerantly read ones, format the rest of the total: "
    "what was gained by the box alone. Bootstrap intervals, paired by item; * it excludes zero.",
    WIDTH,
)
_UNSEEN = fill(
    "A grey image of the same size stands in its place. What is left above is owed to looking, paired by item.",
    WIDTH,
)
_CONFIDENT = fill(
    "Confidence is the share of votes for the elected answer; the error is its mean distance from the share of "
    "right answers, in bins of a tenth. Few items a bin make it too large. Bootstrap interval.",
    WIDTH,
)


def report_tables(base: Measurement | None, model: Measurement) -> Iterator[Table]:
    """What there is to say of a model, and of its difference to a base that was measured on the same items."""
    before = base.by_decoding() if base else {}
    for decoding, results in model.by_decoding().items():
        if decoding not in ("sampled", "no_image"):
            yield _accuracies(decoding, before.get(decoding), results)
    yield _readers(_of(base), _of(model))
    if base:
        yield _parts(base.greedy, model.greedy)
    if model.no_image:
        yield _no_image(base, model)
    kinds = tuple(_kind_rows(_of(base), _of(model)))
    if kinds:
        columns = ("suite", "type", "items", "right %", "change, points")
        yield Table("answers by type", columns, kinds, "As in the first table, within the questions of one type.")
    yield from _calibrations(before.get(f"maj@{model.k}", {}), model.majority, f"maj@{model.k}")


def run_tables(base: Measurement | None, iterations: Sequence[Measurement]) -> Iterator[Table]:
    """What a run's table leaves out of its last iteration and a reader must know: that a change is in part mere format,
    and what is right without looking, where that was asked."""
    last = iterations[-1] if iterations else Measurement({})
    parts = _gains(base.greedy, last.greedy) if base else {}
    tables = []
    if base and any(part.format.ci95.excludes_zero for part in parts.values()):
        tables.append(_parts(base.greedy, last.greedy))
    if last.no_image:
        tables.append(_no_image(base, last))
    yield from (replace(table, title=f"iteration {len(iterations)}: {table.title}") for table in tables)


def accuracy_table(base: Results | None, iterations: Sequence[Results], title: str = "greedy") -> Table:
    """The table that a run ends with: suite by suite, base first, the looks of a lab task pooled.

    Args:
        base: None when the base was not measured; then no change is shown.
        iterations: from the first on; a suite that one of them lacks has no row there.
    """
    before, after = pool_looks(base.values()) if base else {}, [pool_looks(results.values()) for results in iterations]
    rows = []
    for name in dict.fromkeys(name for results in (before, *after) for name in results):
        if name in before:
            rows.append(_accuracy_row(before[name], "base", None))
        for number, results in enumerate(after, start=1):
            if name in results:
                rows.append(_accuracy_row(results[name], f"iteration {number}", before.get(name)))
    return Table(title, ("suite", "items", "model", "accuracy %", "change, points"), tuple(rows), _RUN)


def _accuracy_row(result: SuiteResult, model: str, base: SuiteResult | None) -> tuple[str, ...]:
    low, high = result.ci95
    accuracy = f"{100 * result.accuracy:.1f} ± {50 * (high - low):.1f}"
    return result.name, str(result.n), model, accuracy, marked(result.difference_to(base)) if base else ""


def lead_lines(lead: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """One line for each suite, lab tasks pooled, of what `summary.lead` found for the last iteration."""
    for name, iterations in lead.items():
        if task_of(name) is None:
            yield f"{name}: {points(iterations[-1]['mean'], iterations[-1]['ci95'])}"


def _gains(base: Results, model: Results) -> dict[str, Gain]:
    before, after = pool_looks(base.values()), pool_looks(model.values())
    return {name: gain(result, before[name]) for name, result in after.items() if name in before}


def _of(measurement: Measurement | None) -> Pooled:
    return pool_looks(measurement.greedy.values()) if measurement else {}


def _both(base: Pooled, model: Pooled) -> Iterator[tuple[str, str, SuiteResult]]:
    """Suite by suite, the base first: name, whose marks, marks."""
    for name, result in model.items():
        if name in base:
            yield name, "base", base[name]
        yield name, "model", result


def _accuracies(decoding: str, base: Results | None, model: Results) -> Table:
    before, after = pool_looks((base or {}).values()), pool_looks(model.values())
    rows: list[tuple[str, ...]] = []
    for name, whose, result in _both(before, after):
        difference = result.difference_to(before[name]) if whose == "model" and name in before else None
        change = (marked(difference), f"{difference.p_mcnemar:.2g}") if difference else ("", "")
        rows.append((name, str(result.n), whose, share(result.accuracy, result.ci95), *change))
    if len(benchmarks(model)) > 1:
        rows += _macro_rows(base, model)
    return Table(
        f"{decoding}, what is boxed",
        ("suite", "items", "whose", "right %", "change, points", "McNemar p"),
        tuple(rows),
        _ACCURACIES if decoding == "greedy" else "",
    )


def _macro_rows(base: Results | None, model: Results) -> Iterator[tuple[str, ...]]:
    title = f"mean of {len(benchmarks(model))}"
    if base:
        mean = macro_mean(base)
        yield title, str(mean.n), "base", share(mean.mean, mean.ci95), "", ""
    mean = macro_mean(model)
    change = marked(macro_gain(model, base).total) if base else ""
    yield title, str(mean.n), "model", share(mean.mean, mean.ci95), change, ""


def _readers(base: Pooled, model: Pooled) -> Table:
    rows = []
    for name, whose, result in _both(base, model):
        loose = result.tolerant
        right = share(loose.accuracy, loose.ci95)
        unread = (share(n / result.n, wilson_interval(n, result.n)) for n in (result.unboxed, result.truncated))
        rows.append((name, str(result.n), whose, right, *unread))
    return Table(
        "what the readers make of it",
        ("suite", "items", "whose", "read tolerantly, right %", "no box %", "cut off %"),
        tuple(rows),
        _READ,
    )


def _parts(base: Results, model: Results) -> Table:
    rows: list[tuple[str, ...]] = []
    for name, parts in _gains(base, model).items():
        told = [marked(part) for part in (parts.total, parts.answer, parts.format)]
        rows.append((name, str(parts.total.n), *told))
    if len(benchmarks(model)) > 1:
        macro = macro_gain(model, base)
        parted = [marked(part) for part in (macro.total, macro.answer, macro.format)]
        rows.append((f"mean of {len(benchmarks(model))}", str(macro.total.n), *parted))
    return Table(
        "where the change comes from, points",
        ("suite", "items", "total", "answer", "format"),
        tuple(rows),
        _PARTED,
    )


def _no_image(base: Measurement | None, model: Measurement) -> Table:
    no_image = {
        "model": pool_looks(model.no_image.values()),
        "base": pool_looks(base.no_image.values()) if base else {},
    }
    rows = []
    for name, whose, result in _both(_of(base), _of(model)):
        if name in no_image[whose]:
            unseen = no_image[whose][name]
            above = marked(result.difference_to(unseen))
            rows.append((name, str(result.n), whose, share(unseen.accuracy, unseen.ci95), above))
    return Table(
        "the same questions without the image",
        ("suite", "items", "whose", "right no_image %", "above it with the image, points"),
        tuple(rows),
        _UNSEEN,
    )


def _kind_rows(base: Pooled, model: Pooled) -> Iterator[tuple[str, ...]]:
    for name, result in model.items():
        kinds = result.by_kind()
        before = base[name].by_kind() if name in base else {}
        for kind, marks in kinds.items() if len(kinds) > 1 else ():
            change = marked(marks.difference_to(before[kind])) if kind in before else ""
            yield name, kind, str(marks.n), share(marks.accuracy, marks.ci95), change


def _calibrations(base: Results, model: Results, decoding: str) -> Iterator[Table]:
    before, after = pool_looks(base.values()), pool_looks(model.values())
    found = [(name, whose, calibration(result)) for name, whose, result in _both(before, after)]
    rows = tuple((name, str(each.n), whose, share(each.error, each.ci95)) for name, whose, each in found if each)
    if not rows:
        return
    yield Table(
        f"{decoding}: confidence against truth",
        ("suite", "items", "whose", "calibration error %"),
        rows,
        _CONFIDENT,
    )
    whole = calibration(_joined(benchmarks(model)))
    if whole:
        yield _bins(whole, decoding)


def _joined(results: Pooled) -> SuiteResult:
    return SuiteResult("all", tuple(mark for result in results.values() for mark in result.answered))


def _bins(found: Calibration, decoding: str) -> Table:
    rows = tuple(
        (
            f"{100 * each.low:.0f} to {100 * each.high:.0f}",
            str(each.n),
            f"{100 * each.confidence:.1f}",
            share(each.accuracy, each.ci95),
        )
        for each in found.bins
    )
    return Table(f"{decoding} of the model, all suites: bins", ("confidence %", "items", "mean %", "right %"), rows)
