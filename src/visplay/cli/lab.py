"""`visplay lab`: recipes by seeds, compared in a table (`ablate`) or on a page with all controls (`score`)."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from visplay.cli.common import IMPORT, PRESET, SET, TRUST, check_at_least_one
from visplay.cli.interrupts import unwind_from_here
from visplay.cli.terminal import terminal


def add_flags(command: argparse.ArgumentParser) -> None:
    studies = command.add_subparsers(required=True, metavar="COMMAND")
    ablate = studies.add_parser("ablate", help="run recipes with several seeds, and compare them in a table")
    ablate.add_argument("matrix", type=Path, metavar="MATRIX.yaml", help="seeds, recipes, and the settings they share")
    ablate.set_defaults(study=_ablate)
    score = studies.add_parser("score", help="the scoreboard: presets and controls with several seeds, on one page")
    add = score.add_argument
    add(
        "recipes",
        nargs="*",
        metavar="RECIPE",
        help="presets, controls, matrix files; default: paper-lab, votes, default",
    )
    add("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N-1; default: %(default)s")
    add("--model", action="append", default=[], metavar="DIR", help="repeat all with this base beside the lab's")
    whose = "whose controls, images and evaluation are used; default: %(default)s"
    add("--preset", **PRESET | {"default": "default", "help": whose})
    add("--set", **SET)
    add("--pass-k", type=int, default=0, metavar="K", help="also measure pass@K")
    add("--page", type=Path, metavar="FILE", help="where the page is written; default: scoreboard.md in DIR")
    add("--page-only", action="store_true", help="write the page from the finished runs, and run nothing")
    score.set_defaults(study=_score)
    for study in (ablate, score):
        study.add_argument(
            "--out", required=True, type=Path, metavar="DIR", help="the same command again continues its runs"
        )
        study.add_argument("--import", **IMPORT)
        study.add_argument("--trust-remote-code", **TRUST)
        study.add_argument("--processes", type=int, metavar="N", help="runs at once; default: one for each core")


def run(options: argparse.Namespace) -> int:
    """Run the recipes; returns 1 if a run failed."""
    check_at_least_one("--processes", options.processes)
    finished = options.study(options, terminal())
    return 0 if finished else 1


def _ablate(options: argparse.Namespace, console: Console) -> bool:
    from visplay.tools.ablation import ablate, read_matrix

    unwind_from_here()
    trusted = options.trust_remote_code
    return ablate(read_matrix(options.matrix), options.out, options.processes, console, trust_remote_code=trusted)


def _score(options: argparse.Namespace, console: Console) -> bool:
    from visplay.tools.scoreboard import score, scoreboard_matrices

    unwind_from_here()
    check_at_least_one("--seeds", options.seeds)
    matrices = scoreboard_matrices(
        options.recipes, options.seeds, options.model, options.preset, options.set, options.pass_k
    )
    return score(
        matrices,
        options.out,
        options.page,
        options.processes,
        console,
        go=not options.page_only,
        trust_remote_code=options.trust_remote_code,
    )
