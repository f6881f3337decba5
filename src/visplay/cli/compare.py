"""`visplay compare`: runs, models and reports side by side."""

from __future__ import annotations

import argparse
import json
import string
import sys
from pathlib import Path

from visplay.cli.common import (
    ANSWERS_ARE,
    COLUMNS,
    ENGINE,
    IMPORT,
    ITEMS,
    SEALED,
    SET,
    TRUST,
    check_sealed,
    chosen_settings,
    named_suites,
)
from visplay.cli.interrupts import unwind_from_here
from visplay.cli.terminal import say
from visplay.errors import ConfigError


def add_flags(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("contenders", nargs="+", metavar="RUN_MODEL_OR_REPORT", help="the others are compared with the first")
    scored = command.add_mutually_exclusive_group()
    score = "score runs and models on"
    scored.add_argument("--data", type=Path, metavar="FILE", help=f"{score} this file, as `eval` does")
    scored.add_argument("--suites", nargs="+", metavar="NAME", help=f"{score} these suites, as `eval` does")
    add("--columns", **COLUMNS)
    add("--answers-are", **ANSWERS_ARE)
    add("--items", **ITEMS)
    add("--sealed", **SEALED)
    add("--seed", type=int, default=0, help="seed of lab drawings, items and answers")
    add("--engine", **ENGINE)
    add("--set", **SET)
    add("--import", **IMPORT)
    add("--trust-remote-code", **TRUST)
    shown = command.add_mutually_exclusive_group()
    for form in ("markdown", "latex", "json"):
        shown.add_argument(f"--{form}", dest="form", action="store_const", const=form)


def run(options: argparse.Namespace) -> int:
    from visplay.evaluation.compare import (
        account_tables,
        compare,
        comparison_table,
        is_report,
        kept_baselines,
        open_contenders,
    )
    from visplay.roles.open import is_run

    unwind_from_here()
    check_sealed(options)
    names = options.contenders
    scored = bool(options.data or options.suites)
    settings = {name: chosen_settings(name, options) for name in names if scored and not is_report(name)}
    if not settings and (options.set or options.engine):
        raise ConfigError(
            "--set and --engine are for runs and models that are scored; say by --suites or --data on what"
        )
    if not scored and all(map(is_run, names)) and _differ_in_seed_alone(names):
        say(_seeds(names, options.form))
        return 0
    if not scored and (options.columns or options.answers_are):
        raise ConfigError("--columns and --answers-are are for --data; name the file")
    suites, skipped = named_suites(options) if scored else ((), [])
    found = compare(names, open_contenders(names, suites, settings), kept_baselines(names[0]))
    for row in skipped:
        say(f"visplay: skipped {row}", to=sys.stderr)
    if options.form == "json":
        say(json.dumps(found, indent=2))
    elif options.form:
        tables = (comparison_table(found, names), *account_tables(found, names))
        say("\n\n".join(getattr(table, options.form)() for table in tables))
    else:
        letters = string.ascii_uppercase[: len(names)] if len(names) <= 26 else names
        legend = "\n".join(f"{letter}  {name}" for letter, name in zip(letters, names, strict=True))
        tables = (comparison_table(found, letters, legend), *account_tables(found, letters))
        say("\n\n".join(table.plain() for table in tables))
    return 0


def _differ_in_seed_alone(runs: list[str]) -> bool:
    from visplay.runs.open_run import open_run

    first, *others = (open_run(run).settings.model_copy(update={"seed": 0}) for run in runs)
    return all(settings == first for settings in others)


def _seeds(runs: list[str], form: str | None) -> str:
    """The table of runs that differ in the seed alone, with the mean over seeds."""
    from visplay.evaluation.compare import compare_seeds, seed_tables
    from visplay.runs.open_run import legible, open_run

    with legible(" or ".join(runs)):
        found = compare_seeds([open_run(run).summary for run in runs], runs)
    if form == "json":
        return json.dumps(found, indent=2)
    return "\n\n".join(getattr(table, form or "plain")() for table in seed_tables(found))
