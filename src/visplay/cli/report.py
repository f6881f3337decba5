"""`visplay report`: the page of a run as one file."""

from __future__ import annotations

import argparse
from math import inf
from pathlib import Path

from visplay.cli.common import FORCE, IMPORT
from visplay.cli.interrupts import unwind_from_here
from visplay.cli.terminal import say


def add_flags(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("run", type=Path, metavar="RUN")
    add("--import", **IMPORT)
    add("--to", required=True, type=Path, metavar="FILE.html")
    add("--force", **FORCE)
    add("--most-mib", type=float, default=5.0, metavar="SIZE", help="of the file; default: %(default)s")


def run(options: argparse.Namespace) -> int:
    """Write the file, and results.md beside it."""
    from visplay.errors import ConfigError
    from visplay.runs import check_run
    from visplay.runs.together import refuse_existing

    if not 0 < options.most_mib < inf:
        raise ConfigError("--most-mib must be a number above 0")
    check_run(options.run)
    if not options.to.is_dir():
        refuse_existing([options.to, options.to.with_name("results.md")], options.force)
    from visplay.report.one_file import write_report

    unwind_from_here()
    results = write_report(options.run, options.to, int(options.most_mib * 2**20))
    say(f"the report is {options.to}, the figures alone are in {results}")
    return 0
