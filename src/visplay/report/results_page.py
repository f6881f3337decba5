"""results.md: the figures of a run as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from visplay.evaluation.table import points
from visplay.report.health import Sign
from visplay.report.run_data import Accuracy, RunPage, SilverPanel, Status, SuiteSeries
from visplay.selfplay.verdict import Change, Verdict

_MARKS = re.compile(r"[\\`*|<>]|\](?=\()")  # all that could end a cell, or be more than text in one


def results_markdown(page: RunPage, signs: Sequence[Sign] = ()) -> str:
    """Where the run is, its suites against the base, its silver sets and verdicts, and the signs of health."""
    parts = (_head(page.status), _suites(page.suites), _silver(page.silver), _verdicts(page.verdicts), _health(signs))
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(status: Status) -> str:
    return f"# {status.model} on {status.images}, seed {status.seed}\n\n{status.words[0].upper()}{status.words[1:]}."


def _suites(suites: Sequence[SuiteSeries]) -> str:
    shown = [series for series in suites if series.task is None and (series.base or series.iterations)]
    decodings = dict.fromkeys(series.decoding for series in shown)
    return "\n\n".join(_decoded(name, [s for s in shown if s.decoding == name]) for name in decodings)


def _decoded(decoding: str, series: Sequence[SuiteSeries]) -> str:
    iterations = sorted({one.iteration for each in series for one in each.iterations})
    rows = []
    for each in series:
        by_iteration = {one.iteration: one for one in each.iterations}
        measured = [each.base, *(by_iteration.get(t) for t in iterations)]
        n = next(one.n for one in measured if one)
        rows.append([each.suite, str(n), *(_accuracy(one) for one in measured), _change(measured[-1])])
    head = ["suite", "items", "base", *(f"iteration {t}" for t in iterations), "change of the last, points"]
    return (
        f"## Suites, {decoding}\n\nRight answers in % with the 95 % Wilson interval; the change from the base is "
        f"paired by item, with its 95 % bootstrap interval.\n\n{_table(head, rows)}"
    )


def _accuracy(measured: Accuracy | None) -> str:
    if measured is None:
        return ""
    return f"{100 * measured.accuracy:.1f} [{100 * measured.low:.1f}, {100 * measured.high:.1f}]"


def _change(last: Accuracy | None) -> str:
    if last is None or last.change is None or last.change_low is None or last.change_high is None:
        return ""
    return points(last.change, (last.change_low, last.change_high))


def _silver(silver: Sequence[SilverPanel]) -> str:
    if not silver:
        return ""
    gates = list(dict.fromkeys(gate for panel in silver for gate in panel.dropped))
    known = any(panel.label_accuracy is not None for panel in silver)
    head = ["iteration", "asked", "valid", "distinct", "no answer", *(f"dropped: {gate}" for gate in gates), "kept"]
    head += ["mean confidence", *(["answers true, %", "answerable, %"] if known else [])]
    rows = []
    for panel in silver:
        counts = [panel.iteration, panel.asked, panel.valid, panel.candidates, panel.unlabelled]
        counts += [*(panel.dropped.get(gate, 0) for gate in gates), panel.kept]
        confidence = "" if panel.mean_confidence is None else f"{panel.mean_confidence:.3f}"
        true = [_share(panel.label_accuracy), _share(panel.answerable)] if known else []
        rows.append([*(str(count) for count in counts), confidence, *true])
    return f"## Silver sets\n\n{_table(head, rows)}"


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return ""
    columns: dict[str, Callable[[Verdict], str]] = {
        "iteration": lambda verdict: str(verdict.iteration),
        "verdict": lambda verdict: "accepted" if verdict.accepted else "rolled back",
        "against": lambda verdict: str(verdict.against) if verdict.against else "base",
        "trusted answers kept": lambda verdict: _interval(verdict.kept),
        "agreement": lambda verdict: _interval(verdict.agreement),
        "questions with an answer": lambda verdict: _interval(verdict.asking),
    }
    if any(verdict.validation for verdict in verdicts):
        columns["validation set"] = lambda verdict: _interval(verdict.validation)
        columns["validation accuracy, %"] = lambda verdict: _share(verdict.validation_accuracy)
    if any(verdict.oracle_accepts is not None for verdict in verdicts):
        said = {True: "accepts", False: "rejects", None: ""}
        columns["a judge who knows the truth"] = lambda verdict: said[verdict.oracle_accepts]
    rows = [[cell(verdict) for cell in columns.values()] for verdict in verdicts]
    return f"## Acceptance\n\nChanges in points, with 95 % intervals.\n\n{_table(list(columns), rows)}"


def _interval(change: Change | None) -> str:
    if change is None:
        return ""
    if change.low is None or change.high is None:
        return f"{100 * change.mean:+.1f}"
    return points(change.mean, (change.low, change.high))


def _health(signs: Sequence[Sign]) -> str:
    if not signs:
        return ""
    return f"## Health\n\n{_table(['sign', 'level', ''], [[sign.name, sign.level, sign.words] for sign in signs])}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; what a model wrote cannot break out of its cell."""
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(_MARKS.sub(r"\\\g<0>", text).split())
