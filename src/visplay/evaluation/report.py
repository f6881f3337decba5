"""The tables that `visplay eval` and `visplay evolve` print, each about a single question.

They show figures of `summary`, with the styles of a lab task pooled. Every figure has its number of items and its 95 %
interval. `docs/evaluation.md` says how each figure is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from visplay.evaluation.baselines import BASELINES
from visplay.evaluation.results import Measurement, Results, benchmarks, task_of
from visplay.evaluation.statistics import calibration
from visplay.evaluation.summary import Figures, macro_summary, suites_summary
from visplay.evaluation.table import Table, marked, points, share

_ACCURACIES = """\
A change is paired by item; * its interval excludes zero. p is of an exact sign test over images.
The macro mean weighs every suite the same; one that shares items with a suite above it is left out."""
_READ = """\
Greedy answers. The tolerant reader takes a box where there is one, else what is plainly said.
Without a box an answer counts as wrong above; cut off are texts that reached the length limit."""
_PARTED = """\
total is the change of boxed answers, answer that of tolerantly read ones, format the rest of the
total: what was gained by the box alone. Paired by item; * the interval excludes zero."""
_MADE_OF = """\
Items, greedy. To decline is to answer "unknown" or the like. The last change is that of the items
which the base answered, in points; * its interval excludes zero. Learned are items that became
right, corrupted those that were right."""
_UNSEEN = """\
A grey image of the same size stands in its place. What is left above is owed to looking, paired by
item."""
_CONFIDENT = """\
Confidence is the share of votes for the elected answer; the error is its mean distance from the
share of right answers, in bins of a tenth. Few items a bin make it too large."""
_LEAD = """\
The best baseline without training has its own items; a lead is greedy minus that baseline on these
items, paired by item."""
_WHOSE = ("suite", "items", "whose")
_SHOWN = ("declined_to_right", "wrong_to_right", "right_to_declined", "right_to_wrong")

_Suites = Mapping[str, Mapping[str, Figures]]
"""Greedy figures by suite and model: "base", and "model" or "iteration 1", …; other decodings are inside them."""


def report_tables(base: Measurement | None, model: Measurement) -> Iterator[Table]:
    """The tables of a model, and of its difference from a base that was measured on the same items."""
    summary = suites_summary(base, [model])
    suites = _by_model(summary)
    for decoding in model.by_decoding:
        if decoding not in ("sampled", "no_image", *BASELINES):
            mean = _mean(macro_summary(base, [model], decoding), baselines=True)
            yield _accuracies(decoding, _by_model(summary, baselines=True), mean)
    yield _readers(suites)
    if base:
        with_mean = {**suites, **_mean(macro_summary(base, [model]))}
        yield from (_transitions(with_mean), _gains(with_mean))
    yield from (table for table in (_no_image(suites), _kinds(suites)) if table.rows)
    for decoding, results in model.by_decoding.items():
        if decoding.startswith("maj@"):
            yield _calibrations(decoding, suites)
            yield _bins(decoding, results)


def run_tables(summary: Mapping[str, Any]) -> Iterator[Table]:
    """The tables at the end of a run, from its summary.json: the accuracies of all iterations by decoding.

    For the last iteration also what the change is made of, the part that is format alone, and the accuracy without the
    image.
    """
    suites, macro = summary["suites"], summary["macro"]
    iterations = [figures for suite in suites.values() for figures in suite["iterations"]]
    if not iterations:
        return
    parts = (part for figures in iterations for part in figures.items() if part[0] not in ("tolerant", "answered"))
    decodings = (name for name, value in parts if isinstance(value, dict) and "accuracy" in value)
    for decoding in dict.fromkeys(("greedy", *decodings)):
        mean = _mean(macro, numbered=True, baselines=True) if decoding == "greedy" else {}
        yield _accuracies(decoding, _by_model(suites, numbered=True, baselines=True), mean)
    last = f"iteration {len(macro['iterations'])}"
    with_mean = _by_model(suites) | _mean(macro)
    made_of, gains, no_image = _transitions(with_mean), _gains(with_mean), _no_image(_by_model(suites))
    if made_of.rows:
        yield replace(made_of, title=f"{last}: {made_of.title}")
    if any(row[-1].endswith("*") for row in gains.rows if row[0] in suites):
        yield replace(gains, title=f"{last}: {gains.title}")
    if no_image.rows:
        yield replace(no_image, title=f"{last}: {no_image.title}")


def lead_lines(lead: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """One line for each suite, lab tasks pooled, of what `summary.lead` found for the last iteration."""
    for name, iterations in lead.items():
        if task_of(name) is None:
            yield f"{name}: {points(iterations[-1]['mean'], iterations[-1]['ci95'])}"


def gap_lines(closed: Mapping[str, float | None]) -> Iterator[str]:
    """One line for each suite, lab tasks pooled, of what `summary.gap_closed` found."""
    for name, part in closed.items():
        if task_of(name) is None:
            yield f"{name}: {'none to close' if part is None else f'{part:.2f}'}"


def _by_model(
    suites: Mapping[str, Any], numbered: bool = False, baselines: bool = False
) -> dict[str, dict[str, Figures]]:
    """The `suites` of a summary, lab tasks pooled; `numbered` with all iterations, else the last alone.

    `baselines` has the best baseline of each suite beside the base, by its own name.
    """
    found: dict[str, dict[str, Figures]] = {}
    for name, suite in suites.items():
        if task_of(name) is None:
            found[name] = {"base": suite["base"]} if suite["base"] else {}
            if baselines and "baselines" in suite:
                found[name][suite["baselines"]["best"]] = suite["baselines"][suite["baselines"]["best"]]
            for number, figures in enumerate(suite["iterations"], start=1):
                found[name][f"iteration {number}" if numbered else "model"] = figures
    return found


def _mean(macro: Mapping[str, Any], numbered: bool = False, baselines: bool = False) -> dict[str, dict[str, Figures]]:
    """The `macro` of a summary as one more suite; empty for a single benchmark."""
    n = len(macro["iterations"][-1]["benchmarks"])
    return _by_model({f"mean of {n}": macro}, numbered, baselines) if n > 1 else {}


def _rows(
    suites: _Suites, cells: Callable[[Figures], Sequence[str]], decoding: str = "greedy"
) -> tuple[tuple[str, ...], ...]:
    """Rows of suite, items, model, and the `cells` of the figures of a decoding; a row without cells is left out."""
    rows = []
    for name, models in suites.items():
        for model, figures in models.items():
            found = figures if decoding == "greedy" else figures.get(decoding, {})
            if found and (told := cells(found)):
                rows.append((name, str(found["n"]), model, *told))
    return tuple(rows)


def _percent(figures: Mapping[str, Any]) -> str:
    key = next(key for key in ("accuracy", "share", "error") if key in figures)
    return share(figures[key], figures["ci95"])


def _accuracies(decoding: str, suites: _Suites, mean: _Suites) -> Table:
    greedy = decoding == "greedy"
    led = greedy and any("lead_over_baseline" in each for models in suites.values() for each in models.values())

    def cells(figures: Figures) -> list[str]:
        change = figures.get("difference", {})
        p = f"{change['p_mcnemar']:.2g}" if "p_mcnemar" in change else ""
        return [_percent(figures), marked(change), p, *([marked(figures.get("lead_over_baseline"))] if led else [])]

    rows = _rows(suites, cells, decoding) + _rows(mean, cells)
    columns = (*_WHOSE, "right %", "change, points", "p", *(["lead, points"] if led else []))
    note = "\n".join([_ACCURACIES, *([_LEAD] if led else [])]) if greedy else ""
    return Table(f"{decoding}, what is boxed", columns, rows, note)


def _readers(suites: _Suites) -> Table:
    rows = _rows(suites, lambda figures: [_percent(figures[key]) for key in ("tolerant", "unparseable", "truncated")])
    columns = (*_WHOSE, "read tolerantly, right %", "no box %", "cut off %")
    return Table("what the readers make of it", columns, rows, _READ)


def _gains(suites: _Suites) -> Table:
    rows = []
    for name, models in suites.items():
        figures = models["model"]
        if "gain" in figures:
            parts = (figures["difference"], figures["gain"]["answer"], figures["gain"]["format"])
            rows.append((name, str(figures["n"]), *map(marked, parts)))
    columns = ("suite", "items", "total", "answer", "format")
    return Table("where the change comes from, points", columns, tuple(rows), _PARTED)


def change_table(summary: Mapping[str, Any]) -> Table:
    """What the change of the last iteration is made of, by `suites` and `macro` of a summary."""
    return _transitions(_by_model(summary["suites"]) | _mean(summary["macro"]))


def _transitions(suites: _Suites) -> Table:
    rows = []
    for name, models in suites.items():
        figures = models["model"]
        if "transitions" in figures:
            declined = " → ".join(f"{100 * models[whose]['declined']['share']:.1f}" for whose in ("base", "model"))
            moved = (str(figures["transitions"][key]) for key in _SHOWN)
            change, ratio = marked(figures.get("answered_difference")), f"{figures['learned']} : {figures['corrupted']}"
            rows.append((name, str(figures["n"]), declined, *moved, change, ratio))
    moves = (key.replace("_to_", " → ") for key in _SHOWN)
    columns = ("suite", "items", "declined %", *moves, "where the base answered", "learned : corrupted")
    return Table("what the change is made of", columns, tuple(rows), _MADE_OF)


def _no_image(suites: _Suites) -> Table:
    def cells(figures: Figures) -> list[str]:
        return [_percent(figures["no_image"]), marked(figures["above_no_image"])] if "no_image" in figures else []

    columns = (*_WHOSE, "right no_image %", "above it with the image, points")
    return Table("the same questions without the image", columns, _rows(suites, cells), _UNSEEN)


def _kinds(suites: _Suites) -> Table:
    rows = [
        (name, kind, str(figures["n"]), _percent(figures), marked(figures.get("difference")))
        for name, models in suites.items()
        for kind, figures in models["model"]["kinds"].items()
        if len(models["model"]["kinds"]) > 1
    ]
    columns = ("suite", "type", "items", "right %", "change, points")
    return Table("answers by type", columns, tuple(rows), "As in the first table, within the questions of one type.")


def _calibrations(decoding: str, suites: _Suites) -> Table:
    rows = _rows(suites, lambda figures: [_percent(figures["calibration"])], decoding)
    return Table(f"{decoding}: confidence against truth", (*_WHOSE, "calibration error %"), rows, _CONFIDENT)


def _bins(decoding: str, majority: Results) -> Table:
    marks = [mark for result in benchmarks(majority).values() for mark in result.answered]
    rows = [
        (f"{100 * b['low']:.0f} to {100 * b['high']:.0f}", str(b["n"]), f"{100 * b['confidence']:.1f}", _percent(b))
        for b in calibration((mark.share or 0.0, mark.correct) for mark in marks)["bins"]
    ]
    columns = ("confidence %", "items", "mean %", "right %")
    return Table(f"{decoding} of the model, all suites: bins", columns, tuple(rows))
