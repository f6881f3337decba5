"""`visplay evolve`: run the loop, show what came of it, leave a report."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from visplay.cli.common import ENGINE, IMPORT, PRESET, SET, TRUST, check_at_least_one
from visplay.cli.interrupts import unwind_from_here
from visplay.cli.terminal import terminal
from visplay.errors import ConfigError

if TYPE_CHECKING:
    from visplay.config import Settings
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
    add("--import", **IMPORT)
    add("--trust-remote-code", **TRUST)
    add(
        "--controls",
        nargs="*",
        metavar="NAME",
        help="also run these controls that a gain must beat; without names: all",
    )
    add("--resume", action="store_true", help="continue an interrupted run; --set may change some settings")
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

    def build(preset: str, before: Sequence[str] = ()) -> Settings:
        return load_settings(preset, [*before, *changes], given, trust_remote_code=options.trust_remote_code)

    if options.resume:
        settings = build(options.preset or str(options.out / "config.yaml"))
    else:
        settings = _new_settings(options, build, changes, console, controller)
    controls = options.controls or options.controls is not None  # without names, all
    run = evolve(
        settings, options.out, resume=options.resume, controls=controls, console=console, controller=controller
    )
    _show(run, console)
    console.print(f"results in {options.out}")
    _leave_report(options.out, console)
    return EXIT_LEARNED_NOTHING if "nothing_learned" in run.summary else 0


def _new_settings(
    options: argparse.Namespace,
    build: Callable[..., Settings],
    changes: Sequence[str],
    console: Console,
    controller: Controller,
) -> Settings:
    """The settings of the named preset, or of the recipe that suits the model; warns of what does not suit it."""
    from visplay.config.loading import read_override
    from visplay.tools.plan.recipe import choose_recipe, lab_warnings, memory_found, rate_warnings

    changed = dict(map(read_override, changes))
    model = str(changed.get("model") or options.model or "lab")
    if options.preset is None and model != "lab":
        memory = memory_found(str(changed.get("device", "auto")))
        chosen = choose_recipe(model, build, memory, controller.size, trusted=options.trust_remote_code)
        if not chosen.fits:
            raise ConfigError(f"{chosen.line()}; --preset names another recipe")
        settings, warnings = chosen.settings, rate_warnings(chosen.settings, chosen.size)
        console.print(chosen.line(), markup=False)
    else:
        settings = build(options.preset or "default")
        warnings = lab_warnings(settings, controller.size)
    for line in warnings:
        console.print(line, markup=False)
    return settings


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
    quoted, page = shlex.quote(str(run)), shlex.quote(str(report))
    try:
        write_report(run, report)
    except Exception as error:
        again = f"visplay report {quoted} --to {page} --force"
        console.print(f"no report was written ({error}); `{again}` tries again", markup=False)
    else:
        console.print(f"report in {report}; `visplay watch {quoted}` shows every question", markup=False)
