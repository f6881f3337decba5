"""`visplay evolve`: run the loop, show what came of it, leave a report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from visplay.cli.common import ENGINE, PRESET, SET, check_at_least_one
from visplay.cli.interrupts import unwind_from_here
from visplay.cli.terminal import terminal

if TYPE_CHECKING:
    from visplay.distributed.controller import Controller
    from visplay.runs.open_run import Run


def add_flags(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--images", help="'easy-vqa', a folder of images, or lab drawings such as lab/single")
    add("--model", help="'lab', a folder in Hugging Face format, or a hub id")
    add("--preset", **PRESET)
    add("--iterations", type=int)
    add("--validation-set", type=Path, metavar="FILE", help="labelled items; a worse iteration is rolled back")
    add("--engine", **ENGINE)
    add("--seed", type=int)
    add("--set", **SET)
    add(
        "--controls",
        nargs="*",
        metavar="NAME",
        help="also run these controls that a gain must beat; without names: all",
    )
    add("--resume", action="store_true", help="continue an interrupted run")
    add("--processes", type=int, default=1, metavar="N", help="processes that share the work, one for each GPU")
    add("--out", required=True, type=Path, metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Run in this process, or start several that each come back here; returns 3 if the run learned nothing."""
    from visplay.runs import check_run

    check_at_least_one("--processes", options.processes)
    if options.resume:
        check_run(options.out, "start one without --resume")
    from visplay.distributed.controller import init_distributed, processes

    if options.processes > 1 and processes() == 1:
        from visplay.distributed.launch import launch

        unwind_from_here()
        return launch(options.arguments, options.processes)
    with init_distributed() as controller:
        if controller.is_main:
            status = _evolve(options, controller)
            controller.broadcast(None)
            return status
        from visplay.selfplay.run import follow

        follow(controller)
    return 0


def _evolve(options: argparse.Namespace, controller: Controller) -> int:
    """Run in the controller's process; returns the exit status."""
    from visplay.config import load_settings
    from visplay.selfplay.outcome import EXIT_LEARNED_NOTHING
    from visplay.selfplay.run import evolve

    unwind_from_here()
    console = terminal()
    flags = {name: getattr(options, name) for name in ("images", "model", "iterations", "engine", "seed")}
    given = {name: value for name, value in flags.items() if value is not None}
    changes = list(options.set)
    if options.validation_set:
        changes.append(f"acceptance.validation_set={json.dumps(str(options.validation_set))}")
    if options.resume:
        if given or changes or options.preset != "default":
            console.print("a resumed run keeps its own settings; those of the command line are not used")
        settings = load_settings(str(options.out / "config.yaml"))
    else:
        settings = load_settings(options.preset, changes, given)
    controls = options.controls or options.controls is not None  # without names, all
    run = evolve(
        settings, options.out, resume=options.resume, controls=controls, console=console, controller=controller
    )
    _show(run, console)
    console.print(f"results in {options.out}")
    _leave_report(options.out, console)
    return EXIT_LEARNED_NOTHING if "nothing_learned" in run.summary else 0


def _show(run: Run, console: Console) -> None:
    from visplay.evaluation.headline import Headline
    from visplay.evaluation.report import gap_lines, lead_lines, run_tables
    from visplay.selfplay.verdict import Verdict

    console.print(f"{Headline(**run.summary['headline']).text()}\n", markup=False)
    for table in run_tables(run.summary):
        table.show(console)
    for number, silver in enumerate(run.summary["silver"], start=1):
        console.print(f"silver set of iteration {number}: {_facts(silver)}")
    for verdict in map(Verdict.from_metrics, run.summary["acceptance"]):
        console.print(f"verdict: iteration {verdict.iteration}, {_facts(verdict.as_metrics())}")
    for name, control in run.summary["controls"].items():
        console.print(f"ahead of {name} after the last iteration, points:")
        for line in lead_lines(control["lead"]):
            console.print(f"  {line}")
        if "gap_closed" in control:
            console.print(f"share of the gap to {name} that is closed:")
            for line in gap_lines(control["gap_closed"]):
                console.print(f"  {line}")


def _facts(figures: Mapping[str, Any]) -> str:
    shown = {name: f"{value:.3f}" if isinstance(value, float) else value for name, value in figures.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items() if not isinstance(value, (list, type(None))))


def _leave_report(run: Path, console: Console) -> None:
    """A page to look at; whatever goes wrong with it, the run is finished and stays so."""
    from visplay.report.one_file import write_report

    report = run / "report.html"
    try:
        write_report(run, report)
    except Exception as error:
        again = f"visplay report {run} --to {report} --force"
        console.print(f"no report was written ({error}); `{again}` tries again", markup=False)
    else:
        console.print(f"report in {report}; `visplay watch {run}` shows every question", markup=False)
