"""`visplay eval MODEL_OR_RUN --tasks …`: base and evolved model on lmms-eval's tasks, in one call and alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from visplay.config import Settings
from visplay.errors import EvaluationError
from visplay.evaluation.lmms.answering import Answerer
from visplay.evaluation.lmms.harness import Found, Harness, check_installed
from visplay.evaluation.lmms.local import task_name, write_tasks
from visplay.evaluation.lmms.paper import GROUP, PAPER, judged_without_a_key, paper_lines
from visplay.evaluation.lmms.report import save_answers, table_lines, tasks_summary
from visplay.evaluation.open_suites import open_suites
from visplay.models.policy import Policy
from visplay.roles.open import check_openable, finished_roles, is_run, open_reasoner, open_roles
from visplay.roles.prompts import Prompts
from visplay.types import Suite


def evaluate_tasks(
    model: str, base: str | None, names: Sequence[str], items: int | None, seed: int, out: Path, settings: Settings
) -> Iterator[str]:
    """Score a model, and its base where it has one, on tasks; yields the lines of the table.

    Args:
        model: a run, "lab", a model folder or a hub id. A run's own base is scored beside it.
        base: what it is compared with, where that is not a run's own base.
        names: `paper`, suites as `open_suites` knows them, and tasks of lmms-eval.
        items: at most so many a task; None for all.
        seed: of the lab's drawings, and of which items of a suite are drawn.
        out: a new folder for answers, report and task files.
        settings: the model's, see `own_settings`; its base goes by them too, unless that is a run.
    Raises:
        EvaluationError: lmms-eval, a task, its data or its judge is missing, or `out` is in use.
        RunError, ModelError, ConfigError: as `open_reasoner`.
    """
    check_installed()
    suites, tasks = split_names(names, seed, items)
    unjudged = judged_without_a_key(tasks)
    if unjudged:
        raise EvaluationError(
            f"{', '.join(unjudged)}: lmms-eval asks a judge, and no key for one is set (OPENAI_API_KEY); "
            "leave out what needs it, or set one"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EvaluationError(f"{out} is in use; choose a new folder")
    for name in (model, base):
        if name:
            check_openable(name, settings.trust_remote_code)
    local = write_tasks(suites, out / "tasks")
    harness = Harness(out / "tasks", builtin=bool(tasks))
    asked = [*local, *tasks]
    harness.check(asked)
    found: dict[str, list[Found]] = {}
    for label, answerer in answerers(model, base, settings):
        folder = out / label
        folder.mkdir()
        found[label] = []
        for name in asked:
            scored = harness.evaluate(answerer, name, items, folder)
            save_answers(scored, folder / "answers.jsonl")
            found[label] += scored
    summary = tasks_summary(found)
    report = {
        "model": model,
        "base": base or (settings.model if is_run(model) else None),
        "items": items,
        "seed": seed,
        "max_tokens": settings.reasoner.sampling.max_tokens,
        "lmms_eval": version("lmms-eval"),
        "tasks": summary,
    }
    (out / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    yield from table_lines(summary)


def split_names(names: Sequence[str], seed: int, items: int | None) -> tuple[tuple[Suite, ...], list[str]]:
    """Our suites, and names for lmms-eval; `paper` stands for its eight.

    Raises:
        EvaluationError: no such suite.
    """
    ours = [name for name in names if name == "easy_vqa" or name.split("/")[0] == "lab"]
    others = [task for name in names if name not in ours for task in _tasks(name)]
    return open_suites(ours, seed, items), list(dict.fromkeys(others))


def _tasks(name: str) -> list[str]:
    return [benchmark.task for benchmark in PAPER] if name == GROUP else [name]


def dry_run(names: Sequence[str], seed: int, items: int | None) -> Iterator[str]:
    """What tasks would need, a line each; neither lmms-eval nor a network is asked.

    Raises:
        EvaluationError: no such suite.
    """
    suites, tasks = split_names(names, seed, items)
    if GROUP in names:
        yield from paper_lines()
    for suite in suites:
        yield f"{task_name(suite.name)}: {len(suite.items):,} items of {suite.name}, made here; no network, no judge"
    for task in tasks:
        if task not in {benchmark.task for benchmark in PAPER}:
            yield f"{task}: what lmms-eval's task file says; not known here"


def answerers(model: str, base: str | None, settings: Settings) -> Iterator[tuple[str, Answerer]]:
    """The base, if there is one, then the model, each opened when its turn comes; both by the model's settings."""
    before = _base(model, base, settings)
    if before:
        yield "base", Answerer.of(*before, settings)
        del before  # one model in memory at a time
        yield "evolved", _model(model, settings)
    else:
        yield "model", _model(model, settings)


def _model(name: str, settings: Settings) -> Answerer:
    policies, prompts = open_roles(name, ("reasoner",), settings)
    return Answerer.of(policies["reasoner"], prompts, settings)


def _base(model: str, base: str | None, settings: Settings) -> tuple[Policy, Prompts] | None:
    """What a model is compared with: what was asked for, else what a run began from, in the run's own wording."""
    if base and is_run(base):
        return open_reasoner(base)[:2]
    if base is None and is_run(model):
        base = settings.model
        wording = finished_roles(model, ("reasoner",))["reasoner"] / "prompts.yaml"
        settings = settings.model_copy(update={"prompts": wording})
    if base is None:
        return None
    policies, prompts = open_roles(base, ("reasoner",), settings)
    return policies["reasoner"], prompts
