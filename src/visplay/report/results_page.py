"""results.md: the figures of a run as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from visplay.errors import visible
from visplay.report.health import Sign

Figures = Mapping[str, Any]

_MARKS = re.compile(r"[\\`*|<>]|\](?=\()")  # all that could end a cell, or be more than text in one
_SUITES = "Right answers in % with 95 % intervals; the change is paired by item."
_ACCEPTANCE = "Changes in points, with 95 % intervals."


def results_markdown(page: Figures, signs: Sequence[Sign] = ()) -> str:
    """The values of `RunView.read` and the signs of health as Markdown: progress, suites, silver sets, verdicts."""
    status, words = page["status"], page["status"]["words"]
    model, images = (_text(str(status[name])) for name in ("model", "images"))
    parts = [f"# {model} on {images}, seed {status['seed']}\n\n{_text(words[0].upper() + words[1:])}."]
    if page["headline"]:
        told = [f"Result: {page['headline']['verdict']}.", *page["headline"]["sentences"]]
        parts.append(_text(" ".join(told)))
    suites = [suite for suite in page["suites"] if suite["task"] is None]
    for decoding in dict.fromkeys(suite["decoding"] for suite in suites):
        rows = _suites([suite for suite in suites if suite["decoding"] == decoding])
        parts.append(f"## Suites, {_text(decoding)}\n\n{_SUITES}\n\n{_table(rows)}")
    if rows := list(_made_of(suites)):
        parts.append(f"## What the change is made of\n\n{_table(rows)}")
    if page["silver"]:
        parts.append(f"## Silver sets\n\n{_table(_silver(page['silver']))}")
    if page["verdicts"]:
        parts.append(f"## Acceptance\n\n{_ACCEPTANCE}\n\n{_table(_verdicts(page['verdicts']))}")
    if page["absent"]:
        parts.append("## What did not run\n\n" + "\n".join(f"* {_text(words)}" for words in page["absent"].values()))
    if signs:
        rows = [{"sign": sign["name"], "level": sign["level"], "": sign["words"]} for sign in signs]
        parts.append(f"## Health\n\n{_table(rows)}")
    return "\n\n".join(parts) + "\n"


def _suites(suites: Sequence[Figures]) -> list[dict[str, Any]]:
    numbers = sorted({one["iteration"] for suite in suites for one in suite["iterations"]})
    rows = []
    for suite in suites:
        measured = {one["iteration"]: one for one in (suite["base"], *suite["iterations"]) if one}
        last = measured[max(measured)]
        row = {"suite": suite["suite"], "items": last["n"]}
        for t in (0, *numbers):
            one = measured.get(t, {})
            row[f"iteration {t}" if t else "base"] = _percent(one.get("accuracy"), one.get("ci95"))
        change = last.get("difference", {})
        row |= {"change of the last, points": _percent(change.get("mean"), change.get("ci95"), "+")}
        rows.append(row | (_baseline(suite["baseline"], last) if any(one["baseline"] for one in suites) else {}))
    return rows


def _baseline(best: Figures | None, last: Figures) -> dict[str, str]:
    """The best baseline without training, with its own number of items, and the lead over it."""
    lead = last.get("lead_over_baseline", {})
    told = f"{best['name']}: {_percent(best['accuracy'], best['ci95'])} of {best['n']}" if best else ""
    return {"best baseline": told, "lead of the last, points": _percent(lead.get("mean"), lead.get("ci95"), "+")}


def _made_of(suites: Sequence[Figures]) -> Iterator[dict[str, Any]]:
    """The change of the last iteration: refusals that became answers, or better answers."""
    for suite in suites:
        last = suite["iterations"][-1] if suite["iterations"] else {}
        if suite["decoding"] == "greedy" and "transitions" in last:
            row = {"suite": suite["suite"], "items": last["n"]}
            row["declined before, %"] = _percent(suite["base"]["declined"]["share"])
            row["declined now, %"] = _percent(last["declined"]["share"])
            row |= {name.replace("_to_", " → "): number for name, number in last["transitions"].items()}
            change = last.get("answered_difference", {})
            yield row | {"change where the base answered": _percent(change.get("mean"), change.get("ci95"), "+")}


def _silver(silver: Sequence[Figures]) -> list[dict[str, Any]]:
    rows = []
    for one in silver:
        row = {"iteration": one["iteration"], "asked": one["asked"], "valid": one["valid"]}
        row |= {"distinct": one["candidates"], "no answer": one["unlabelled"]}
        row |= {f"dropped: {gate}": number for gate, number in one["dropped"].items()}
        row |= {f"kept from {name}": task["kept"] for name, task in one.get("tasks", {}).items()} | {
            "kept": one["kept"]
        }
        row["mean confidence"] = "" if one["mean_confidence"] is None else f"{one['mean_confidence']:.3f}"
        if any("label_accuracy" in each for each in silver):
            row["answers true, %"] = _percent(one.get("label_accuracy"))
            row["answerable, %"] = _percent(one.get("answerable"))
        rows.append(row)
    return rows


def _verdicts(verdicts: Sequence[Figures]) -> list[dict[str, Any]]:
    rows = []
    for one in verdicts:
        row = {"iteration": one["iteration"], "verdict": "accepted" if one["accepted"] else "rolled back"}
        row |= {"against": one.get("against") or "base", "trusted answers kept": _change(one, "kept")}
        row |= {"agreement": _change(one, "agreement"), "questions with an answer": _change(one, "asking")}
        if any("validation_change" in each for each in verdicts):
            row["validation set"] = _change(one, "validation")
            row["validation accuracy, %"] = _percent(one.get("validation_accuracy"))
        if any("oracle_accepts" in each for each in verdicts):
            said: dict[Any, str] = {True: "accepts", False: "rejects"}
            row["a judge who knows the truth"] = said.get(one.get("oracle_accepts"), "")
        rows.append(row)
    return rows


def _change(verdict: Figures, name: str) -> str:
    return _percent(verdict.get(f"{name}_change"), verdict.get(f"{name}_ci95"), "+")


def _percent(share: float | None, ci95: Sequence[float | None] | None = None, sign: str = "") -> str:
    """A share, or with the sign "+" a change of a share; the interval is left out if an end has no bound."""
    if share is None:
        return ""
    ends = [f"{100 * end:{sign}.1f}" for end in ci95 or () if end is not None]
    return f"{100 * share:{sign}.1f}" + (f" [{', '.join(ends)}]" if len(ends) == 2 else "")


def _table(rows: Sequence[Figures]) -> str:
    """Rows by column as a Markdown table; a text of a model cannot leave its cell."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(_text(str(cell)) for cell in line)} |" for line in lines)


def _text(text: str) -> str:
    """Foreign text on one line, in which nothing is markup."""
    return visible(" ".join(_MARKS.sub(r"\\\g<0>", text).split()))
