"""`visplay lab ablate`: recipes by seeds, compared in a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from visplay.cli.common import check_at_least_one


def add_flags(command: argparse.ArgumentParser) -> None:
    studies = command.add_subparsers(required=True, metavar="COMMAND")
    ablate = studies.add_parser("ablate", help="run recipes with several seeds, and compare them in a table")
    ablate.add_argument("matrix", type=Path, metavar="MATRIX.yaml", help="seeds, recipes, and the settings they share")
    ablate.add_argument("--out", required=True, type=Path, metavar="DIR", help="the same command again continues")
    ablate.add_argument("--processes", type=int, metavar="N", help="runs at once; default: one for each core")


def run(options: argparse.Namespace) -> int:
    """Run the matrix; returns 1 if a run failed."""
    from visplay.tools.ablation import ablate, read_matrix

    check_at_least_one("--processes", options.processes)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        finished = ablate(read_matrix(options.matrix), options.out, options.processes, console)
    except KeyboardInterrupt:
        print("visplay: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0 if finished else 1
