"""`visplay eval`: score a model or a run on suites, on a labelled file, or on lmms-eval's tasks."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from visplay.cli.common import (
    ANSWERS_ARE,
    COLUMNS,
    ENGINE,
    FORCE,
    IMPORT,
    ITEMS,
    MODEL_PRESET,
    SEALED,
    SET,
    TRUST,
    check_at_least_one,
    check_sealed,
    chosen_settings,
    named_suites,
)
from visplay.cli.interrupts import unwind_from_here
from visplay.cli.terminal import say, terminal
from visplay.errors import ConfigError

if TYPE_CHECKING:
    from visplay.evaluation.judge.client import Judge

_ASKED = (
    *("model", "base", "data", "columns", "answers_are", "sealed", "seed", "items"),
    *("engine", "preset", "set", "baselines"),
)


def add_flags(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("model", metavar="MODEL_OR_RUN")
    asked = command.add_mutually_exclusive_group(required=True)
    asked.add_argument("--data", type=Path, metavar="FILE", help="JSON, JSON Lines, CSV, TSV or Parquet")
    asked.add_argument("--suites", nargs="+", metavar="NAME", help="easy_vqa, lab, lab/TASK, lab/TASK/STYLE, …")
    asked.add_argument("--tasks", nargs="+", metavar="TASK", help="tasks of lmms-eval; 'paper' names the paper's")
    add("--columns", **COLUMNS)
    add("--answers-are", **ANSWERS_ARE)
    add("--items", **ITEMS)
    add("--sealed", **SEALED)
    add("--base", metavar="MODEL_OR_RUN", help="also score this base; changes are paired by item")
    add("--k", type=int, default=0, metavar="N", help="also draw N answers for each item: pass@N, maj@N")
    add("--no-image", action="store_true", help="also ask every question with a blank image")
    add("--baselines", action="store_true", help="also measure what the base reaches by votes, without training")
    add("--out", type=Path, metavar="FILE.json", help="where the figures go; with --tasks a new folder")
    add("--force", **FORCE)
    add("--seed", type=int, default=0, help="seed of lab drawings and sampled answers")
    add("--judge", metavar="URL", help="OpenAI-compatible server that judges greedy answers")
    add("--judge-model", metavar="NAME", help="default: the first model of the server")
    add("--judge-cache", type=Path, metavar="DIR", help="default: ~/.cache/visplay/judge")
    add("--preset", **MODEL_PRESET)
    add("--engine", **ENGINE)
    add("--set", **SET)
    add("--import", **IMPORT)
    add("--trust-remote-code", **TRUST)


def run(options: argparse.Namespace) -> int:
    _check(options)
    if options.tasks:
        _evaluate_tasks(options)
    else:
        _evaluate_suites(options)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse flags that do not go together."""
    check_at_least_one("--items", options.items)
    check_sealed(options)
    if options.k < 0:
        raise ConfigError("--k must be at least 1")
    if options.out is None:
        raise ConfigError("--out is missing; say where the figures go")
    if options.baselines and (options.tasks or not options.base):
        raise ConfigError("--baselines are votes of a base on --data or --suites; name the base by --base")
    if options.tasks and (options.columns or options.answers_are):
        raise ConfigError("--columns and --answers-are are for --data; a task knows its own")
    if options.tasks and options.force:
        raise ConfigError("--force is for --data and --suites; tasks need a new folder")
    if options.tasks and options.judge:
        raise ConfigError("--judge is for --data and --suites; what marks a task is the task's own choice")
    if options.tasks and options.engine not in (None, "transformers"):
        raise ConfigError("--engine is for --data and --suites; tasks are answered in this process")
    if not options.judge and (options.judge_model or options.judge_cache):
        raise ConfigError("--judge-model and --judge-cache belong to a judge; name its server by --judge URL")


def _evaluate_suites(options: argparse.Namespace) -> None:
    from visplay.evaluation.baselines import Baselines
    from visplay.evaluation.headline import headline
    from visplay.evaluation.judge.judged import judged_lines
    from visplay.evaluation.report import report_tables
    from visplay.evaluation.scoring import Scores, check_place, check_scorable, score_reasoner
    from visplay.runs.files import write_json
    from visplay.runs.together import refuse_existing, written_together

    unwind_from_here()
    answers, base_answers = (options.out.with_suffix(f".{kind}.jsonl") for kind in ("answers", "base.answers"))
    settings = {name: chosen_settings(name, options, options.preset) for name in (options.base, options.model) if name}
    check_place(options.out)
    refuse_existing([options.out, answers, base_answers], options.force)
    suites, skipped = named_suites(options)
    judge = _open_judge(options)
    for name, its in settings.items():
        check_scorable(name, its)
    found = {}
    votes = Baselines.of(settings[options.model]) if options.baselines else None
    for name, kind, baselines in ((options.base, "base.answers", votes), (options.model, "answers", None)):
        if name:
            asked = {"k": options.k, "no_image": options.no_image, "baselines": baselines}
            found[kind] = score_reasoner(name, suites, settings[name], **asked)
    scores = Scores(suites, found["answers"], found.get("base.answers"))
    asked = {name: getattr(options, name) for name in _ASKED}
    asked["data"] = str(options.data) if options.data else options.suites
    report = {**asked, **scores.metrics(), "skipped": skipped}
    console = terminal()
    if options.sealed:
        say("the sealed half of the suites; use it for no choice")
    if options.base:
        told = headline(report, settings[options.model].evaluation.endpoints)
        report["headline"] = asdict(told)
        console.print(f"{told.text()}\n")
    answered = {answers: found["answers"]} | ({base_answers: found["base.answers"]} if options.base else {})
    with written_together([*answered, options.out], [base_answers]) as (*drafts, draft):
        for measurement, file in zip(answered.values(), drafts, strict=True):
            measurement.save(file)
        write_json(draft, report)
    for table in report_tables(scores.base, scores.model):
        table.show(console)
    for row in skipped:
        say(f"skipped {row}")
    if judge:
        judged = scores.judged(judge)
        write_json(options.out, {**report, "judge": judged})
        say(*judged_lines(judged["suites"]))
    say(f"figures in {options.out}, every answer in {options.out.stem}.answers.jsonl beside it")


def _open_judge(options: argparse.Namespace) -> Judge | None:
    """The judge, ready to be asked; None where none is wanted."""
    from visplay.evaluation.judge.client import Judge

    if options.judge is None:
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visplay" / "judge"
    judge = Judge(options.judge, options.judge_model, options.judge_cache or cache)
    say(f"judged by {judge.model}")
    return judge


def _evaluate_tasks(options: argparse.Namespace) -> None:
    from visplay.evaluation.lmms.evaluate import evaluate_tasks
    from visplay.roles.open import own_settings

    unwind_from_here()
    settings = own_settings(options.model, options.preset, options.set, trust_remote_code=options.trust_remote_code)
    table = evaluate_tasks(options.model, options.base, options.tasks, options.items, options.out, settings)
    table.show(terminal())
    say(f"every answer is in {options.out}")
