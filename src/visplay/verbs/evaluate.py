"""`visplay eval`: score a model or a run on suites, on a labelled file, or on lmms-eval's tasks."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console

from visplay.verbs.adding import Verbs
from visplay.verbs.items import check_items, named_suites


def add(verbs: Verbs) -> None:
    """Its flags."""
    evaluate = verbs.add_parser("eval", help="score a model or a run's Reasoner on labelled questions")
    evaluate.add_argument("model", metavar="MODEL_OR_RUN")
    asked = evaluate.add_mutually_exclusive_group(required=True)
    asked.add_argument("--data", type=Path, metavar="FILE", help="JSONL, CSV, TSV, Parquet, or a saved dataset")
    asked.add_argument("--suites", nargs="+", metavar="NAME", help="easy_vqa, lab")
    asked.add_argument("--tasks", nargs="+", metavar="TASK", help="of lmms-eval; 'paper': the paper's; or suites")
    evaluate.add_argument("--items", type=int, help="at most so many a suite; the lab draws as many for each look")
    evaluate.add_argument("--base", metavar="MODEL_OR_RUN", help="also score this, and the difference item by item")
    evaluate.add_argument("--k", type=int, default=0, metavar="N", help="also N answers an item: pass@N, maj@N")
    evaluate.add_argument("--blind", action="store_true", help="also ask every question on a blank picture")
    evaluate.add_argument("--out", type=Path, metavar="FILE.json", help="with --tasks a new folder")
    evaluate.add_argument("--seed", type=int, default=0, help="of the lab's drawings and of sampled answers")
    evaluate.add_argument("--judge", metavar="URL", help="OpenAI-compatible server whose model judges greedy answers")
    evaluate.add_argument("--judge-model", metavar="NAME", help="default: the first that the server names")
    evaluate.add_argument("--judge-cache", type=Path, metavar="DIR", help="default: ~/.cache/visplay/judge")
    evaluate.add_argument("--dry-run", action="store_true", help="with --tasks: only say what they would need")
    evaluate.add_argument("--engine", choices=["hf", "vllm", "server"], help="default: as a run's settings say, or hf")
    evaluate.set_defaults(verb=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from visplay.config import ConfigError
    from visplay.evaluation.judge import judge_results, judged_lines, judged_summary
    from visplay.evaluation.report import report_sheets
    from visplay.evaluation.summary import macro_summary, suites_summary
    from visplay.scoring import score_reasoner

    check_items(options)
    if options.k < 0:
        raise ConfigError("--k must be at least 1")
    if options.dry_run and not options.tasks:
        raise ConfigError("--dry-run is for --tasks")
    if options.out is None and not options.dry_run:
        raise ConfigError("--out is missing; say where the figures go")
    if options.tasks and options.judge:
        raise ConfigError("--judge is for --data and --suites; what marks a task is the task's own affair")
    if options.tasks:
        return _evaluate_tasks(options)
    _make_room(options.out)
    suites, skipped = named_suites(options)
    judge = _open_judge(options)
    asked = {"k": options.k, "blind": options.blind, "engine": options.engine}
    base = score_reasoner(options.base, suites, options.seed, **asked) if options.base else None
    if base:
        base.save(options.out.with_suffix(".base.answers.jsonl"))
    measurement = score_reasoner(options.model, suites, options.seed, **asked)
    measurement.save(options.out.with_suffix(".answers.jsonl"))
    report = {
        "model": options.model,
        "base": options.base,
        "data": str(options.data) if options.data else options.suites,
        "seed": options.seed,
        "items": options.items,
        "suites": suites_summary(base, [measurement]),
        "macro": macro_summary(base, [measurement]),
        "skipped": skipped,
    }
    _write_report(options.out, report)
    console = Console(soft_wrap=True)
    for sheet in report_sheets(base, measurement):
        sheet.show(console)
    for row in report["skipped"]:
        print(f"skipped {row}")
    if judge:
        judged = judge_results(judge, suites, measurement.greedy)
        before = judge_results(judge, suites, base.greedy) if base else None
        _write_report(options.out, report | {"judge": judge.named() | {"suites": judged_summary(judged, before)}})
        for line in judged_lines(judged, before):
            print(line)
    print(f"figures in {options.out}, every answer in {options.out.stem}.answers.jsonl beside it")
    return 0


def _make_room(out: Path) -> None:
    """Refuse a place that cannot be written to before anything is asked."""
    from visplay.config import ConfigError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot make its folder ({error.strerror})") from None
    if out.is_dir():
        raise ConfigError(f"--out {out} is a folder; name a file in it, such as {out / 'scores.json'}")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise ConfigError(f"--out {out} cannot be written to")


def _open_judge(options: argparse.Namespace) -> Any:
    """The judge, ready to be asked; None where none is wanted."""
    from visplay.config import ConfigError, judge_settings
    from visplay.evaluation.judge import Judge

    if options.judge is None:
        if options.judge_model or options.judge_cache:
            raise ConfigError("--judge-model and --judge-cache belong to a judge; name its server by --judge URL")
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visplay" / "judge"
    judge = Judge(judge_settings(options.judge, options.judge_model, options.judge_cache or cache))
    print(f"judged by {judge.wait()}")
    return judge


def _write_report(path: Path, report: dict[str, Any]) -> None:
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _evaluate_tasks(options: argparse.Namespace) -> int:
    from visplay.lmms.evaluate import dry_run, evaluate_tasks

    if options.dry_run:
        lines = dry_run(options.tasks, options.seed, options.items)
    else:
        lines = evaluate_tasks(options.model, options.base, options.tasks, options.items, options.seed, options.out)
    for line in lines:
        print(line)
    if not options.dry_run:
        print(f"every answer is in {options.out}")
    return 0
