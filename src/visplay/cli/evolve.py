"""`visplay evolve`: run the loop, show what came of it, leave a report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from visplay.cli.common import Commands, add_engine, add_preset, add_set, check_at_least_one

if TYPE_CHECKING:
    from visplay.distributed.controller import Controller
    from visplay.runs.open_run import Run


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    evolve = commands.add_parser("evolve", help="run the self-play loop")
    evolve.add_argument("--images", help="'easy-vqa', a folder of images, or lab drawings such as lab/single")
    evolve.add_argument("--model", help="'lab', a folder in Hugging Face format, or a hub id")
    add_preset(evolve)
    evolve.add_argument("--iterations", type=int)
    evolve.add_argument(
        "--validation-set", type=Path, metavar="FILE", help="labelled items; a worse iteration is rolled back"
    )
    add_engine(evolve)
    evolve.add_argument("--seed", type=int)
    add_set(evolve)
    evolve.add_argument("--controls", action="store_true", help="also run the controls that a gain must beat")
    evolve.add_argument("--resume", action="store_true", help="continue an interrupted run")
    evolve.add_argument(
        "--processes", type=int, default=1, metavar="N", help="processes that share the work, one for each GPU"
    )
    evolve.add_argument("--out", required=True, type=Path, metavar="DIR")
    evolve.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Run in this process, or start several that each come back here."""
    from visplay.distributed.controller import init_distributed, processes

    check_at_least_one("--processes", options.processes)
    if options.processes > 1 and processes() == 1:
        from visplay.distributed.launch import launch

        return launch(options.arguments, options.processes)
    with init_distributed() as controller:
        if controller.is_main:
            _evolve(options, controller)
            controller.broadcast(None)
        else:
            from visplay.selfplay.run import follow

            follow(controller)
    return 0


def _evolve(options: argparse.Namespace, controller: Controller) -> None:
    from visplay.config import load_settings
    from visplay.selfplay.evolve import evolve

    flags = {name: getattr(options, name) for name in ("images", "model", "iterations", "engine", "seed")}
    given = {name: value for name, value in flags.items() if value is not None}
    changes = [
        *options.set,
        *([f"acceptance.validation_set={json.dumps(str(options.validation_set))}"] if options.validation_set else []),
    ]
    console = Console(soft_wrap=True)
    if options.resume and (options.out / "config.yaml").exists():
        if given or changes or options.preset != "default":
            console.print("a resumed run keeps its own settings; those of the command line are not used")
        settings = load_settings(str(options.out / "config.yaml"))
    else:
        settings = load_settings(options.preset, changes, given)
    run = evolve(
        settings, options.out, resume=options.resume, controls=options.controls, console=console, controller=controller
    )
    _show(run, console)
    console.print(f"results in {options.out}")
    _leave_report(options.out, console)


def _leave_report(run: Path, console: Console) -> None:
    """A page to look at; whatever goes wrong with it, the run is finished and stays so."""
    from visplay.report.one_file import write_report

    report = run / "report.html"
    try:
        write_report(run, report)
    except Exception as error:
        again = f"visplay report {run} --to {report}"
        console.print(f"no report was written ({error}); `{again}` tries again", highlight=False, markup=False)
        return
    console.print(f"report in {report}; `visplay watch {run}` shows every question", highlight=False, markup=False)


def _show(run: Run, console: Console) -> None:
    from visplay.evaluation.report import lead_lines, run_tables
    from visplay.selfplay.verdict import Verdict

    summary = run.summary
    for table in run_tables(summary):
        table.show(console)
    for number, silver in enumerate(summary["silver"], start=1):
        facts = ", ".join(_fact(k, v) for k, v in silver.items() if v is not None)
        console.print(f"silver set of iteration {number}: {facts}", highlight=False)
    for verdict in map(Verdict.from_metrics, summary["acceptance"]):
        facts = ", ".join(_fact(k, v) for k, v in verdict.as_metrics().items() if isinstance(v, (bool, int, float)))
        console.print(f"verdict: iteration {verdict.iteration}, {facts}", highlight=False)
    for name, control in summary["controls"].items():
        console.print(f"ahead of {name} after the last iteration, points:", highlight=False)
        for line in lead_lines(control["lead"]):
            console.print(f"  {line}", highlight=False)


def _fact(name: str, value: Any) -> str:
    return f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
