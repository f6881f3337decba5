"""The program `visplay`: a thin verb each."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

from rich.console import Console

from visplay import __version__

_SHOWN_SKIPPED = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run a verb.

    Returns:
        0, 1 when a run of a matrix failed, or 2 when the input was wrong; interrupted runs return 130.
    """
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        _quiet()
        return int(options.verb(options))
    except KeyboardInterrupt:
        print("visplay: interrupted; `visplay evolve --resume --out DIR` goes on", file=sys.stderr)
        return 130
    except ValueError as error:
        if not _is_the_users(error):
            raise
        print(f"visplay: {error}", file=sys.stderr)
        return 2


def _quiet() -> None:
    """Let libraries speak of errors only: what is worth telling, the program tells itself."""
    getLogger("bitsandbytes").setLevel(ERROR)
    with suppress(ImportError):  # what is missing, `doctor` must live to tell
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()


def _is_the_users(error: ValueError) -> bool:
    """Whether the user can mend it; any other error is ours and shows its traceback."""
    from visplay.config import ConfigError
    from visplay.engines.engine import EngineError
    from visplay.evaluation.errors import EvaluationError
    from visplay.images import ImageError
    from visplay.models.vlm import ModelError
    from visplay.runs import RunError

    return isinstance(error, (ConfigError, EngineError, EvaluationError, ImageError, ModelError, RunError))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="visplay", description="A VLM that improves itself from unlabeled images.")
    parser.add_argument("--version", action="version", version=f"visplay {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    evolve = verbs.add_parser("evolve", help="run the loop")
    evolve.add_argument("--images", help="'easy-vqa', a folder of images, or drawings such as lab/single")
    evolve.add_argument("--model", help="'lab', a folder in Hugging Face format, or a hub id")
    evolve.add_argument("--preset", default="default", help="default, votes, paper, official, or a YAML file")
    evolve.add_argument("--iterations", type=int)
    evolve.add_argument(
        "--anchor", type=Path, metavar="FILE", help="labelled items; what gets them wrong is taken back"
    )
    evolve.add_argument("--engine", choices=["hf", "vllm", "server"], help="what generates; default: hf")
    evolve.add_argument("--seed", type=int)
    evolve.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other setting")
    evolve.add_argument("--controls", action="store_true", help="also run what a gain must beat")
    evolve.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    evolve.add_argument("--out", required=True, type=Path, metavar="DIR")
    evolve.set_defaults(verb=_evolve)

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

    compare = verbs.add_parser("compare", help="runs, models and reports side by side, paired where items coincide")
    compare.add_argument(
        "contenders", nargs="+", metavar="RUN_MODEL_OR_REPORT", help="the others' difference is to the first"
    )
    scored = compare.add_mutually_exclusive_group()
    scored.add_argument("--data", type=Path, metavar="FILE", help="score runs and models on this, as `eval` does")
    scored.add_argument("--suites", nargs="+", metavar="NAME", help="score runs and models on these, as `eval` does")
    compare.add_argument("--items", type=int, help="at most so many a suite; the lab draws as many for each look")
    compare.add_argument("--seed", type=int, default=0, help="of the lab's drawings, and of which items are drawn")
    shown = compare.add_mutually_exclusive_group()
    for form in ("markdown", "latex", "json"):
        shown.add_argument(f"--{form}", dest="form", action="store_const", const=form)
    compare.set_defaults(verb=_compare)

    ask = verbs.add_parser("ask", help="the Questioner's questions about pictures, with the Reasoner's votes")
    ask.add_argument("model", metavar="MODEL_OR_RUN", help="a run's roles and settings; or 'lab', a folder, a hub id")
    ask.add_argument("images", nargs="+", metavar="IMAGE")
    asking = ask.add_mutually_exclusive_group()
    asking.add_argument("--questions", type=int, metavar="N", help="about each picture; default: as the settings say")
    asking.add_argument("--question", metavar="TEXT", help="ask the Reasoner this, and no Questioner")
    ask.add_argument("--votes", type=int, metavar="M", help="answers to each question; default: as the settings say")
    ask.add_argument("--preset", help="for a model: default, votes, paper, official, or a YAML file")
    ask.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other setting")
    ask.add_argument("--engine", choices=["hf", "vllm", "server"], help="default: as the settings say")
    ask.add_argument("--seed", type=int, help="of what is drawn; default: as the settings say")
    ask.set_defaults(verb=_ask)
    watch = verbs.add_parser("watch", help="a run as a page in the browser, while it goes or after")
    watch.add_argument("run", type=Path, metavar="RUN")
    watch.add_argument("--port", type=int, default=8765, help="0 takes a free one; default: %(default)s")
    watch.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="to listen at; default: this machine only"
    )
    watch.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="also answer to this name")
    watch.set_defaults(verb=_watch)
    report = verbs.add_parser("report", help="the same page as one file to mail, and results.md beside it")
    report.add_argument("run", type=Path, metavar="RUN")
    report.add_argument("--to", required=True, type=Path, metavar="FILE.html")
    report.add_argument("--most-mib", type=float, default=5.0, metavar="SIZE", help="of the file; default: %(default)s")
    report.set_defaults(verb=_report)
    export = verbs.add_parser("export", help="a finished run's role as a model that transformers and vLLM load")
    export.add_argument("run", type=Path, metavar="RUN")
    export.add_argument("--role", required=True, choices=["reasoner", "questioner"])
    export.add_argument("--to", required=True, type=Path, metavar="DIR")
    export.add_argument("--adapter", action="store_true", help="the LoRA adapter alone, in PEFT format")
    export.set_defaults(verb=_export)

    plan = verbs.add_parser("plan", help="what a run needs: memory, tokens, time; from a model's configuration alone")
    plan.add_argument("model", metavar="MODEL", help="'lab', a folder in Hugging Face format, or a hub id")
    plan.add_argument("--gpu-memory", metavar="SIZE", help="such as 24GB or 80GiB; default: this GPU's, else 24GB")
    plan.add_argument("--images", metavar="SOURCE", help="as for evolve: their tokens are counted")
    plan.add_argument("--image-tokens", type=int, metavar="N", help="tokens a picture, not counted; default: 1024")
    plan.add_argument("--preset", default="default", help="default, votes, paper, official, or a YAML file")
    plan.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of the preset")
    plan.add_argument("--tflops", type=float, default=60.0, help="TFLOP/s reached, not the peak; default: %(default)s")
    plan.set_defaults(verb=_plan)
    doctor = verbs.add_parser("doctor", help="what this machine has, what is missing, and what installs it")
    doctor.set_defaults(verb=_doctor)

    lab = verbs.add_parser("lab", help="the embedded world").add_subparsers(required=True, metavar="VERB")
    pretrain = lab.add_parser("pretrain", help="make the tiny VLM again, from its seed")
    pretrain.add_argument("--out", required=True, type=Path, metavar="DIR")
    pretrain.add_argument("--recipe", type=Path, metavar="FILE.json", help="default: the shipped model's")
    pretrain.set_defaults(verb=_pretrain)
    ablate = lab.add_parser("ablate", help="recipes by seeds, a process a core, and a table that compares them")
    ablate.add_argument("matrix", type=Path, metavar="MATRIX.yaml", help="seeds, recipes, what they share")
    ablate.add_argument("--out", required=True, type=Path, metavar="DIR", help="called again, it goes on there")
    ablate.add_argument("--processes", type=int, metavar="N", help="runs at once; default: one for each core")
    ablate.set_defaults(verb=_ablate)
    labels = lab.add_parser("labels", help="how true silver answers are under each labeler and gate; trains nothing")
    labels.add_argument("--images", default="lab/single", help="drawings such as lab/single, or easy-vqa to report")
    labels.add_argument("--model", default="lab", metavar="MODEL_OR_RUN", help="the Reasoner; the lab's model asks")
    labels.add_argument("--preset", default="default", help="default, votes, paper, official, or a YAML file")
    labels.add_argument("--pictures", type=int, default=300)
    labels.add_argument("--seed", type=int, default=0)
    labels.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of the preset")
    labels.set_defaults(verb=_labels)
    return parser


def _evolve(options: argparse.Namespace) -> int:
    from visplay.config import load_settings
    from visplay.players import check_runnable
    from visplay.program import open_pictures, open_world, run_controls, run_evolution, summarize
    from visplay.runs import RunDirectory, check_free

    flags = {name: getattr(options, name) for name in ("images", "model", "iterations", "engine", "seed")}
    given = {name: value for name, value in flags.items() if value is not None}
    changes = [*options.set, *([f"acceptance.anchor={json.dumps(str(options.anchor))}"] if options.anchor else [])]
    resuming = options.resume and (options.out / "config.yaml").exists()
    console = Console(soft_wrap=True)
    if resuming and (given or changes or options.preset != "default"):
        console.print("a resumed run keeps its own settings; those of the command line are not used")
    path = str(options.out / "config.yaml") if resuming else options.preset
    settings = load_settings(path) if resuming else load_settings(path, changes, given)
    # Whatever can be refused is refused before the run's directory is made.
    if not resuming:
        check_free(options.out)
    check_runnable(settings)
    catalogue = open_pictures(settings)
    console.print(f"{len(catalogue.pictures)} images from {catalogue.source}")
    world = open_world(settings, catalogue)
    with RunDirectory.open(options.out) if resuming else RunDirectory.create(options.out, settings) as run:
        journal = run_evolution(run, world, console)
        summary = summarize(journal)
        if options.controls:
            summary["controls"] = run_controls(run, world, journal, console)
            run.write_summary(summary)
        _show(journal, summary, console)
        _name_skipped(catalogue.skipped, console)
        console.print(f"results in {options.out}")
    _leave_report(options.out, console)
    return 0


def _leave_report(run: Path, console: Console) -> None:
    """A page to look at; whatever goes wrong with it, the run is finished and stays so."""
    from visplay.watch.report import write_report

    report = run / "report.html"
    try:
        write_report(run, report)
    except Exception as error:
        again = f"visplay report {run} --to {report}"
        console.print(f"no report was written ({error}); `{again}` tries again", highlight=False, markup=False)
        return
    console.print(f"report in {report}; `visplay watch {run}` shows every question", highlight=False, markup=False)


def _show(journal: Any, summary: dict[str, Any], console: Console) -> None:
    from visplay.evaluation.report import run_sheets
    from visplay.evaluation.table import lead_lines, plain_table, rich_table

    base, iterations = journal.measurements()
    after = [measurement.by_decoding() for measurement in iterations]
    for decoding in dict.fromkeys(name for each in after for name in each):
        before = base.by_decoding().get(decoding, {}) if base else None
        table = rich_table if console.is_terminal else plain_table
        console.print(table(before, [each.get(decoding, {}) for each in after], title=decoding), highlight=False)
    for sheet in run_sheets(base, iterations):
        _print_sheet(sheet, console)
    for number, silver in enumerate(summary["silver"], start=1):
        facts = ", ".join(_fact(k, v) for k, v in silver.items() if v is not None)
        console.print(f"silver set of iteration {number}: {facts}", highlight=False)
    for verdict in summary["acceptance"]:
        facts = ", ".join(_fact(k, v) for k, v in verdict.items() if isinstance(v, (bool, int, float)))
        console.print(f"verdict: {facts}", highlight=False)
    for name, control in summary["controls"].items():
        console.print(f"ahead of {name} after the last iteration, points:", highlight=False)
        for line in lead_lines(control["lead"]):
            console.print(f"  {line}", highlight=False)


def _print_sheet(sheet: Any, console: Console) -> None:
    console.print(sheet.rich() if console.is_terminal else f"{sheet.plain()}\n", highlight=False, markup=False)


def _fact(name: str, value: Any) -> str:
    return f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"


def _name_skipped(skipped: Sequence[Any], console: Console) -> None:
    if not skipped:
        return
    console.print("1 file was skipped:" if len(skipped) == 1 else f"{len(skipped)} files were skipped:")
    for one in skipped[:_SHOWN_SKIPPED]:
        console.print(f"  {one.path}: {one.reason}", highlight=False, markup=False)
    if len(skipped) > _SHOWN_SKIPPED:
        console.print(f"  and {len(skipped) - _SHOWN_SKIPPED} more")


def _evaluate(options: argparse.Namespace) -> int:
    from visplay.config import ConfigError
    from visplay.evaluation.judge import judge_results, judged_lines, judged_summary
    from visplay.evaluation.report import report_sheets
    from visplay.evaluation.summary import macro_summary, suites_summary
    from visplay.program import score_reasoner

    _check_items(options)
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
    suites, skipped = _open_suites(options)
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
        _print_sheet(sheet, console)
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


def _open_suites(options: argparse.Namespace) -> tuple[tuple[Any, ...], list[str]]:
    """What `--data` or `--suites` name, and the rows of a file that cannot be used."""
    from visplay.evaluation.labelled import read_labelled
    from visplay.evaluation.suites import draw_items, open_suites

    _check_items(options)
    if not options.data:
        return open_suites(options.suites, options.seed, options.items), []
    data = read_labelled(options.data)
    return (draw_items(data.suite, options.items, options.seed),), [str(row) for row in data.skipped]


def _check_items(options: argparse.Namespace) -> None:
    from visplay.config import ConfigError

    if options.items is not None and options.items < 1:
        raise ConfigError("--items must be at least 1")


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


def _compare(options: argparse.Namespace) -> int:
    from visplay.comparing import check_contenders, open_contender
    from visplay.evaluation.compare import compare, comparison_json, comparison_sheet
    from visplay.players import is_run
    from visplay.runs import differ_in_seed_alone

    names, paths = options.contenders, [Path(name) for name in options.contenders]
    scored = bool(options.data or options.suites)
    if not scored and all(map(is_run, names)) and differ_in_seed_alone(paths):
        return _compare_seeds(names, options.form)
    suites, skipped = _open_suites(options) if scored else ((), [])
    check_contenders(names, suites)
    found = compare([open_contender(name, suites, options.seed) for name in names])
    for row in skipped:
        print(f"visplay: skipped {row}", file=sys.stderr)
    letters = [chr(ord("A") + place) for place in range(len(names))] if len(names) <= 26 else names
    legend = "\n".join(f"{letter}  {name}" for letter, name in zip(letters, names, strict=True))
    sheet = comparison_sheet(found, names) if options.form else comparison_sheet(found, letters, legend)
    print(_formed(sheet, options.form) if options.form != "json" else json.dumps(comparison_json(found), indent=2))
    return 0


def _compare_seeds(names: Sequence[str], form: str | None) -> int:
    """Runs of one recipe: what matters is the mean over seeds."""
    from visplay.evaluation.seeds import seed_json, seed_lines, seed_sheets
    from visplay.runs import read_summaries

    summaries = read_summaries([Path(name) for name in names])
    if form is None:
        text = "\n".join(seed_lines(summaries))
    elif form == "json":
        text = json.dumps(seed_json(summaries, names), indent=2)
    else:
        text = "\n\n".join(_formed(sheet, form) for sheet in seed_sheets(summaries, names))
    print(text)
    return 0


def _formed(sheet: Any, form: str | None) -> str:
    from visplay.evaluation.sheet_formats import latex, markdown

    return str({None: sheet.plain, "markdown": lambda: markdown(sheet), "latex": lambda: latex(sheet)}[form]())


def _ask(options: argparse.Namespace) -> int:
    from visplay.ask import ask, asking_settings, reply_lines, visible
    from visplay.images.files import read_files

    counts = {"silver.questions_per_image": options.questions, "silver.votes": options.votes}
    given = [f"{key}={count}" for key, count in counts.items() if count is not None]
    given += [f"engine={options.engine}"] if options.engine else []
    settings = asking_settings(options.model, options.preset, [*options.set, *given], options.seed)
    pictures, skipped = read_files(options.images)
    for one in skipped:
        print(f"visplay: cannot read {visible(one.path)}: {one.reason}", file=sys.stderr)
    if not pictures:
        return 2
    for line in reply_lines(ask(options.model, pictures, settings, options.question), settings):
        print(line)
    return 0


def _watch(options: argparse.Namespace) -> int:
    from visplay.watch.server import watch

    def tell(address: str) -> None:
        print(f"{options.run} is shown at {address} (Ctrl-C ends it)", flush=True)

    with suppress(KeyboardInterrupt):
        watch(options.run, options.host, options.port, options.allow_host, tell)
    return 0


def _report(options: argparse.Namespace) -> int:
    from visplay.config import ConfigError
    from visplay.watch.report import write_report

    if not options.most_mib > 0:
        raise ConfigError("--most-mib must be more than 0")
    results = write_report(options.run, options.to, int(options.most_mib * 2**20))
    print(f"the report is {options.to}, the figures alone are in {results}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from visplay.export import export

    export(options.run, options.role, options.to, options.adapter)
    print(f"the {options.role} is in {options.to}; its README.md says how to load it")
    return 0


def _plan(options: argparse.Namespace) -> int:
    from visplay.config import load_settings
    from visplay.planning.plan import plan_model
    from visplay.planning.table import plan_lines
    from visplay.players import model_name
    from visplay.program import open_pictures

    settings = load_settings(options.preset, options.set, {"images": options.images} if options.images else {})
    pictures = open_pictures(settings).pictures if options.images else None
    name = model_name(options.model)
    plan = plan_model(name, settings, pictures, options.gpu_memory, options.image_tokens, options.tflops)
    for line in plan_lines(plan):
        print(line)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from visplay.doctor import examine, healthy, report

    findings = examine()
    for line in report(findings):
        print(line)
    return 0 if healthy(findings) else 1


def _pretrain(options: argparse.Namespace) -> int:
    from visplay.lab.pretrain import Recipe, pretrain, read_recipe

    recipe = read_recipe(options.recipe) if options.recipe else Recipe()
    pretrain(options.out, recipe)
    print(f"the model is in {options.out / 'model'}")
    return 0


def _ablate(options: argparse.Namespace) -> int:
    from visplay.ablation.ablate import ablate
    from visplay.ablation.matrix import read_matrix
    from visplay.ablation.processes import usable_cores
    from visplay.config import ConfigError

    if options.processes is not None and options.processes < 1:
        raise ConfigError("--processes must be at least 1")
    processes = options.processes or len(usable_cores())
    try:
        finished = ablate(read_matrix(options.matrix), options.out, processes, Console(soft_wrap=True))
    except KeyboardInterrupt:
        print("visplay: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0 if finished else 1


def _labels(options: argparse.Namespace) -> int:
    from visplay.config import ConfigError, load_settings
    from visplay.evaluation.label_study import study_lines
    from visplay.program import study_labels

    if options.pictures < 1:
        raise ConfigError("--pictures must be at least 1")
    settings = load_settings(options.preset, options.set, {"images": options.images, "seed": options.seed})
    for line in study_lines(study_labels(options.model, options.pictures, settings)):
        print(line, flush=True)
    return 0
