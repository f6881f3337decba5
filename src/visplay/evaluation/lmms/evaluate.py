"""`visplay eval MODEL_OR_RUN --tasks …`: scores a model and its base on lmms-eval's tasks, in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from visplay.config import Settings
from visplay.errors import EvaluationError
from visplay.evaluation.lmms.answering import Answerer
from visplay.evaluation.lmms.harness import Found, Harness
from visplay.evaluation.lmms.paper import GROUP, TASKS, check_judges
from visplay.evaluation.statistics import accuracy_interval, paired_difference
from visplay.evaluation.table import Table, marked
from visplay.roles.open import check_openable, finished_roles, is_run, open_reasoner, open_roles
from visplay.runs.files import write_whole

_COLUMNS = ("task", "items", "model", "right %", "change, points", "lmms-eval")
_NOTE = (
    "right: items answered right, ± half the 95 % Wilson interval, where lmms-eval marks single items right or wrong; "
    "change is from the base, paired by item, with its 95 % interval, * where that excludes zero; "
    "the last column is lmms-eval's own figure."
)


def evaluate_tasks(
    model: str, base: str | None, names: Sequence[str], items: int | None, out: Path, settings: Settings
) -> Table:
    """Score a model and its base, if there is one, on tasks; returns the table of both.

    Args:
        model: a run, "lab", a model folder or a hub id. A run's own base is scored beside it.
        base: the model to compare with; None for a run's own base.
        names: tasks of lmms-eval; `paper` means the paper's eight tasks.
        items: the most items per task; None for all.
        out: a new folder for answers and report.
        settings: those of the model, see `own_settings`. The base has the same ones, except for settings that belong to
            the weights of a run.
    Raises:
        EvaluationError: lmms-eval, a task, its data or its judge is missing, or `out` is in use.
        RunError, ModelError, ConfigError: as `open_reasoner`.
    """
    tasks = list(dict.fromkeys(task for name in names for task in (TASKS if name == GROUP else [name])))
    check_judges(tasks)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EvaluationError(f"{out} is in use; choose a new folder")
    for name in (model, base):
        if name:
            check_openable(name, settings.trust_remote_code)
    harness = Harness(tasks)
    before = base or (settings.model if is_run(model) else None)
    found: dict[str, list[Found]] = {}
    if before:
        found["base"] = _score(harness, _base(model, base, settings), tasks, items, out / "base")
    label = "evolved" if before else "model"
    policies, prompts = open_roles(model, ("reasoner",), settings)
    answerer = Answerer.of(policies["reasoner"], prompts, settings)
    found[label] = _score(harness, answerer, tasks, items, out / label)
    figures, table = compare_tasks(found)
    report = {
        "model": model,
        "base": before,
        "items": items,
        "max_tokens": settings.reasoner.sampling.max_tokens,
        "lmms_eval": version("lmms-eval"),
        "tasks": figures,
    }
    write_whole(out / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return table


def _base(model: str, base: str | None, settings: Settings) -> Answerer:
    """The base to compare with: the given one, else the base of the run, with the run's own prompts."""
    if base and is_run(base):
        return Answerer.of(*open_reasoner(base, settings.trust_remote_code)[:2], settings)
    if base is None:
        wording = finished_roles(model, ("reasoner",))["reasoner"] / "prompts.yaml"
        settings = settings.model_copy(update={"prompts": wording})
    policies, prompts = open_roles(base or settings.model, ("reasoner",), settings)
    return Answerer.of(policies["reasoner"], prompts, settings)


def _score(harness: Harness, answerer: Answerer, tasks: Sequence[str], items: int | None, folder: Path) -> list[Found]:
    """The results of one model; the answers to a task are written as soon as the task is scored."""
    folder.mkdir(parents=True)
    found = []
    for name in tasks:
        for task in harness.evaluate(answerer, name, items, folder):
            found.append(task)
            with (folder / "answers.jsonl").open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in task.answers)
    return found


def compare_tasks(models: Mapping[str, Sequence[Found]]) -> tuple[dict[str, Any], Table]:
    """Figures by task and model as JSON values, and the same figures as a table; accuracies are fractions.

    `models` has the results of each model on the same tasks; "base" is first, if there is one.
    """
    summary: dict[str, Any] = {}
    rows = []
    for same in zip(*models.values(), strict=True):
        base = same[0].marks
        for model, task in zip(models, same, strict=True):
            figures: dict[str, Any] = {"n": len(task.answers), "lmms_eval": dict(task.reported)}
            right = change = ""
            marks = task.marks
            if marks:
                share = sum(marks.values()) / len(marks)
                low, high = accuracy_interval(marks, {})  # the harness names no images
                figures |= {"accuracy": share, "ci95": [low, high]}
                right = f"{100 * share:.1f} ± {50 * (high - low):.1f}"
            if marks and base and model != "base" and "base" in models:
                difference = paired_difference(base, marks, {})
                figures["difference"] = asdict(difference)
                change = marked(figures["difference"])
            summary.setdefault(task.task, {})[model] = figures
            reported = [f"{metric} {value:.4g}" for metric, value in task.reported.items()]
            own = ", ".join(reported[:3]) + ", …" * (len(reported) > 3)
            rows.append((task.task, f"{len(task.answers):,}", model, right, change, own))
    return summary, Table("tasks of lmms-eval", _COLUMNS, tuple(rows), _NOTE)
