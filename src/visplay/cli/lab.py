"""`visplay lab …`: the embedded world, its model, its studies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from visplay.cli.common import Commands, add_preset, add_set, check_at_least_one


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    lab = commands.add_parser("lab", help="the embedded world").add_subparsers(required=True, metavar="COMMAND")
    ablate = lab.add_parser("ablate", help="run recipes with several seeds, and compare them in a table")
    ablate.add_argument("matrix", type=Path, metavar="MATRIX.yaml", help="seeds, recipes, and the settings they share")
    ablate.add_argument("--out", required=True, type=Path, metavar="DIR", help="the same command again continues")
    ablate.add_argument("--processes", type=int, metavar="N", help="runs at once; default: one for each core")
    ablate.set_defaults(run_command=_ablate)
    labels = lab.add_parser("labels", help="how true silver answers are under each labeler and gate; trains nothing")
    labels.add_argument("--images", default="lab/single", help="drawings such as lab/single, or easy-vqa to report")
    labels.add_argument("--model", default="lab", metavar="MODEL_OR_RUN", help="the Reasoner; the lab's model asks")
    add_preset(labels)
    labels.add_argument("--count", type=int, default=300, metavar="N", help="images to ask about; default: %(default)s")
    labels.add_argument("--seed", type=int, default=0)
    add_set(labels)
    labels.set_defaults(run_command=_labels)


def _ablate(options: argparse.Namespace) -> int:
    from visplay.tools.ablation.ablate import ablate, usable_cores
    from visplay.tools.ablation.matrix import read_matrix

    check_at_least_one("--processes", options.processes)
    processes = options.processes or len(usable_cores())
    try:
        finished = ablate(read_matrix(options.matrix), options.out, processes, Console(soft_wrap=True))
    except KeyboardInterrupt:
        print("visplay: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0 if finished else 1


def _labels(options: argparse.Namespace) -> int:
    from visplay.config import load_settings
    from visplay.lab.label_study import study_labels, study_lines

    check_at_least_one("--count", options.count)
    settings = load_settings(options.preset, options.set, {"images": options.images, "seed": options.seed})
    for line in study_lines(study_labels(options.model, options.count, settings)):
        print(line, flush=True)
    return 0
