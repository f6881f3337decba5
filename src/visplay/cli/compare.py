"""`visplay compare`: runs, models and reports side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visplay.cli.chosen import add_chosen, chosen_settings
from visplay.cli.common import Verbs
from visplay.cli.items import named_suites


def add(verbs: Verbs) -> None:
    """Its flags."""
    compare = verbs.add_parser("compare", help="runs, models and reports side by side, paired where items coincide")
    compare.add_argument(
        "contenders", nargs="+", metavar="RUN_MODEL_OR_REPORT", help="the others' difference is to the first"
    )
    scored = compare.add_mutually_exclusive_group()
    scored.add_argument("--data", type=Path, metavar="FILE", help="score runs and models on this, as `eval` does")
    scored.add_argument("--suites", nargs="+", metavar="NAME", help="score runs and models on these, as `eval` does")
    compare.add_argument("--items", type=int, help="at most so many a suite; the lab draws as many for each look")
    compare.add_argument("--seed", type=int, default=0, help="of the lab's drawings, and of which items are drawn")
    add_chosen(compare, "all that is scored alike")
    shown = compare.add_mutually_exclusive_group()
    for form in ("markdown", "latex", "json"):
        shown.add_argument(f"--{form}", dest="form", action="store_const", const=form)
    compare.set_defaults(verb=_compare)


def _compare(options: argparse.Namespace) -> int:
    from visplay.errors import ConfigError
    from visplay.evaluation.compare import compare, comparison_json, comparison_sheet
    from visplay.evaluation.contenders import check_contenders, is_report, open_contender
    from visplay.runs import differ_in_seed_alone
    from visplay.selfplay.state import is_run

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
    check_contenders(names, settings)
    found = compare([open_contender(name, suites, settings.get(name)) for name in names])
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
