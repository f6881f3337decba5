"""`visplay eval`: score a model or a run on suites, on a labelled file, or on lmms-eval's tasks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from visplay.cli.common import (
    Commands,
    add_engine,
    add_items,
    add_preset,
    add_set,
    check_at_least_one,
    chosen_settings,
    named_suites,
)

if TYPE_CHECKING:
    from visplay.evaluation.judge import Judge


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    evaluate = commands.add_parser("eval", help="score a model or a run's Reasoner on labelled questions")
    evaluate.add_argument("model", metavar="MODEL_OR_RUN")
    asked = evaluate.add_mutually_exclusive_group(required=True)
    asked.add_argument("--data", type=Path, metavar="FILE", help="JSONL, CSV, TSV or Parquet")
    asked.add_argument("--suites", nargs="+", metavar="NAME", help="easy_vqa, lab, lab/TASK, lab/TASK/STYLE")
    asked.add_argument("--tasks", nargs="+", metavar="TASK", help="tasks of lmms-eval; 'paper' names the paper's")
    add_items(evaluate)
    evaluate.add_argument("--base", metavar="MODEL_OR_RUN", help="also score this base; changes are paired by item")
    evaluate.add_argument(
        "--k", type=int, default=0, metavar="N", help="also draw N answers for each item: pass@N, maj@N"
    )
    evaluate.add_argument("--no-image", action="store_true", help="also ask every question with a blank image")
    evaluate.add_argument(
        "--out", type=Path, metavar="FILE.json", help="where the figures go; with --tasks a new folder"
    )
    evaluate.add_argument("--seed", type=int, default=0, help="seed of lab drawings and sampled answers")
    evaluate.add_argument("--judge", metavar="URL", help="OpenAI-compatible server that judges greedy answers")
    evaluate.add_argument("--judge-model", metavar="NAME", help="default: the first model of the server")
    evaluate.add_argument("--judge-cache", type=Path, metavar="DIR", help="default: ~/.cache/visplay/judge")
    evaluate.add_argument("--dry-run", action="store_true", help="with --tasks: only print what they need")
    add_preset(evaluate, None, "for a model: ")
    add_engine(evaluate)
    add_set(evaluate)
    evaluate.set_defaults(run_command=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from visplay.evaluation.report import report_tables
    from visplay.evaluation.scoring import Scores, check_place, check_scorable, score_reasoner
    from visplay.runs.state import write_json

    _check(options)
    if options.tasks:
        return _evaluate_tasks(options)
    settings = {name: chosen_settings(name, options, options.preset) for name in (options.base, options.model) if name}
    check_place(options.out)
    suites, skipped = named_suites(options)
    judge = _open_judge(options)
    for name, its in settings.items():
        check_scorable(name, its)
    found = {}
    for name, kind in ((options.base, "base.answers"), (options.model, "answers")):
        if name:
            found[kind] = score_reasoner(name, suites, settings[name], k=options.k, no_image=options.no_image)
            found[kind].save(options.out.with_suffix(f".{kind}.jsonl"))
    scores = Scores(suites, found["answers"], found.get("base.answers"))
    asked = {
        "model": options.model,
        "base": options.base,
        "data": str(options.data) if options.data else options.suites,
        "seed": options.seed,
        "items": options.items,
        "engine": options.engine,
        "preset": options.preset,
        "set": options.set,
    }
    report = {**asked, **scores.metrics(), "skipped": skipped}
    write_json(options.out, report)
    console = Console(soft_wrap=True)
    for table in report_tables(scores.base, scores.model):
        table.show(console)
    for row in skipped:
        print(f"skipped {row}")
    if judge:
        judged, lines = scores.judged(judge)
        write_json(options.out, {**report, "judge": judged})
        print(*lines, sep="\n")
    print(f"figures in {options.out}, every answer in {options.out.stem}.answers.jsonl beside it")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse flags that do not go together."""
    from visplay.errors import ConfigError

    check_at_least_one("--items", options.items)
    if options.k < 0:
        raise ConfigError("--k must be at least 1")
    if options.dry_run and not options.tasks:
        raise ConfigError("--dry-run is for --tasks")
    if options.out is None and not options.dry_run:
        raise ConfigError("--out is missing; say where the figures go")
    if options.tasks and options.judge:
        raise ConfigError("--judge is for --data and --suites; what marks a task is the task's own choice")
    if options.tasks and options.engine not in (None, "transformers"):
        raise ConfigError("--engine is for --data and --suites; tasks are answered in this process")


def _open_judge(options: argparse.Namespace) -> Judge | None:
    """The judge, ready to be asked; None where none is wanted."""
    from visplay.errors import ConfigError
    from visplay.evaluation.judge import Judge
    from visplay.evaluation.judge.settings import judge_settings

    if options.judge is None:
        if options.judge_model or options.judge_cache:
            raise ConfigError("--judge-model and --judge-cache belong to a judge; name its server by --judge URL")
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visplay" / "judge"
    judge = Judge(judge_settings(options.judge, options.judge_model, options.judge_cache or cache))
    print(f"judged by {judge.wait()}")
    return judge


def _evaluate_tasks(options: argparse.Namespace) -> int:
    from visplay.evaluation.lmms.evaluate import dry_run, evaluate_tasks
    from visplay.roles.open import own_settings

    if options.dry_run:
        lines = dry_run(options.tasks, options.seed, options.items)
    else:
        settings = own_settings(options.model, options.preset, options.set)
        asked = (options.tasks, options.items, options.seed, options.out)
        lines = evaluate_tasks(options.model, options.base, *asked, settings)
    for line in lines:
        print(line)
    if not options.dry_run:
        print(f"every answer is in {options.out}")
    return 0
