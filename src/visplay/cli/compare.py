"""`visplay compare`: runs, models and reports side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from visplay.cli.common import Commands, add_engine, add_items, add_set, chosen_settings, named_suites


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    compare = commands.add_parser("compare", help="runs, models and reports side by side, paired where items coincide")
    compare.add_argument(
        "contenders", nargs="+", metavar="RUN_MODEL_OR_REPORT", help="the others are compared with the first"
    )
    scored = compare.add_mutually_exclusive_group()
    scored.add_argument("--data", type=Path, metavar="FILE", help="score runs and models on this file, as `eval` does")
    scored.add_argument(
        "--suites", nargs="+", metavar="NAME", help="score runs and models on these suites, as `eval` does"
    )
    add_items(compare)
    compare.add_argument("--seed", type=int, default=0, help="seed of lab drawings, items and answers")
    add_engine(compare)
    add_set(compare)
    shown = compare.add_mutually_exclusive_group()
    for form in ("markdown", "latex", "json"):
        shown.add_argument(f"--{form}", dest="form", action="store_const", const=form)
    compare.set_defaults(run_command=_compare)


def _compare(options: argparse.Namespace) -> int:
    from visplay.errors import ConfigError
    from visplay.evaluation.compare import compare, comparison_table, is_report, open_contenders
    from visplay.roles.open import is_run
    from visplay.runs import differ_in_seed_alone

    names, paths = options.contenders, [Path(name) for name in options.contenders]
    scored = bool(options.data or options.suites)
    settings = {name: chosen_settings(name, options) for name in names if scored and not is_report(name)}
    if not settings and (options.set or options.engine):
        raise ConfigError(
            "--set and --engine are for runs and models that are scored; say by --suites or --data on what"
        )
    if not scored and all(map(is_run, names)) and differ_in_seed_alone(paths):
        return _compare_seeds(names, options.form)
    suites, skipped = named_suites(options) if scored else ((), [])
    found = compare(names, open_contenders(names, suites, settings))
    for row in skipped:
        print(f"visplay: skipped {row}", file=sys.stderr)
    if options.form == "json":
        print(json.dumps(found, indent=2))
    elif options.form:
        print(getattr(comparison_table(found, names), options.form)())
    else:
        letters = [chr(ord("A") + place) for place in range(len(names))] if len(names) <= 26 else names
        legend = "\n".join(f"{letter}  {name}" for letter, name in zip(letters, names, strict=True))
        print(comparison_table(found, letters, legend).plain())
    return 0


def _compare_seeds(runs: Sequence[str], form: str | None) -> int:
    """Compare runs of one recipe: what matters is the mean over seeds."""
    from visplay.evaluation.compare import compare_seeds, seed_tables
    from visplay.runs import read_summaries

    found = compare_seeds(read_summaries([Path(run) for run in runs]), runs)
    if form == "json":
        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join(getattr(table, form or "plain")() for table in seed_tables(found)))
    return 0
