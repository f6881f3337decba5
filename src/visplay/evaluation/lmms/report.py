"""What is kept and shown of tasks: every answer, a report, one table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from visplay.evaluation.lmms.harness import Found
from visplay.evaluation.statistics import PairedDifference, paired_difference, wilson_interval
from visplay.evaluation.table import aligned, marked

LEGEND = (
    "right: items answered right, ± half the 95 % Wilson interval, where lmms-eval marks single items right or wrong; "
    "change is from the base, paired by item, with its 95 % bootstrap interval, * where that excludes zero; "
    "the last column is lmms-eval's own figure."
)
_COLUMNS = ("task", "items", "model", "right %", "change, points", "lmms-eval")
_SHOWN = 3


def save_answers(found: Sequence[Found], file: Path) -> None:
    """Add a JSON line an answer: the prompt, the whole text, what it boxes, how it was scored."""
    with file.open("a", encoding="utf-8") as lines:
        for task in found:
            for answer in task.answers:
                said = answer.said
                row = {
                    "task": task.task,
                    "item": answer.item,
                    "prompt": said.prompt,
                    "text": said.text,
                    "given": said.given,
                    "finished": said.finished,
                    "target": answer.target,
                    "correct": answer.correct,
                    "scores": answer.scores,
                }
                lines.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def tasks_summary(models: Mapping[str, Sequence[Found]]) -> dict[str, Any]:
    """JSON-able figures by task and model, the base first where there is one; accuracies are fractions."""
    summary: dict[str, Any] = {}
    before: dict[str, Found] = {}
    for model, found in models.items():
        for task in found:
            summary.setdefault(task.task, {})[model] = _figures(task, before.get(task.task))
        before = before or {task.task: task for task in found}
    return summary


def _figures(task: Found, base: Found | None) -> dict[str, Any]:
    figures: dict[str, Any] = {"n": len(task.answers), "lmms_eval": dict(task.reported)}
    marks = task.marks
    if marks:
        right = sum(marks.values())
        figures |= {"accuracy": right / len(marks), "ci95": list(wilson_interval(right, len(marks)))}
    difference = _difference(base, task)
    if difference:
        figures["difference"] = asdict(difference) | {"ci95": list(difference.ci95)}
    return figures


def _difference(base: Found | None, task: Found) -> PairedDifference | None:
    before, after = base.marks if base else None, task.marks
    return paired_difference(before, after) if before and after else None


def table_lines(summary: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The table as aligned lines."""
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for task, models in summary.items():
        rows += [_row(task, model, figures) for model, figures in models.items()]
    yield from aligned(rows)
    yield LEGEND


def _row(task: str, model: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    right = change = ""
    if "accuracy" in figures:
        low, high = figures["ci95"]
        right = f"{100 * figures['accuracy']:.1f} ± {50 * (high - low):.1f}"
    if "difference" in figures:
        change = marked(figures["difference"])
    reported = list(figures["lmms_eval"].items())
    own = ", ".join(f"{metric} {value:.4g}" for metric, value in reported[:_SHOWN]) + ", …" * (len(reported) > _SHOWN)
    return task, f"{figures['n']:,}", model, right, change, own
