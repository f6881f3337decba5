"""`visplay lab …`: the embedded world, its model, its studies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from visplay.cli.common import Verbs


def add(verbs: Verbs) -> None:
    """Its flags."""
    lab = verbs.add_parser("lab", help="the embedded world").add_subparsers(required=True, metavar="VERB")
    pretrain = lab.add_parser("pretrain", help="make the tiny VLM again, from its seed")
    pretrain.add_argument("--out", required=True, type=Path, metavar="DIR")
    pretrain.add_argument("--recipe", type=Path, metavar="FILE.json", help="default: the shipped model's")
    pretrain.set_defaults(verb=_pretrain)
    ablate = lab.add_parser("ablate", help="recipes by seeds, a process a core, and a table that compares them")
    ablate.add_argument("matrix", type=Path, metavar="MATRIX.yaml", help="seeds, recipes, what they share")
    ablate.add_argument("--out", required=True, type=Path, metavar="DIR", help="called again, it goes on there")
    ablate.add_argument("--processes", type=int, metavar="N", help="runs at once; default: one for each core")
    ablate.set_defaults(verb=_ablate)
    labels = lab.add_parser("labels", help="how true silver answers are under each labeler and gate; trains nothing")
    labels.add_argument("--images", default="lab/single", help="drawings such as lab/single, or easy-vqa to report")
    labels.add_argument("--model", default="lab", metavar="MODEL_OR_RUN", help="the Reasoner; the lab's model asks")
    labels.add_argument("--preset", default="default", help="default, votes, paper, official, or a YAML file")
    labels.add_argument("--count", type=int, default=300, help="images to ask about; default: %(default)s")
    labels.add_argument("--seed", type=int, default=0)
    labels.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of the preset")
    labels.set_defaults(verb=_labels)


def _pretrain(options: argparse.Namespace) -> int:
    from visplay.lab.pretrain import Recipe, pretrain, read_recipe

    recipe = read_recipe(options.recipe) if options.recipe else Recipe()
    pretrain(options.out, recipe)
    print(f"the model is in {options.out / 'model'}")
    return 0


def _ablate(options: argparse.Namespace) -> int:
    from visplay.errors import ConfigError
    from visplay.tools.ablation.ablate import ablate
    from visplay.tools.ablation.matrix import read_matrix
    from visplay.tools.ablation.processes import usable_cores

    if options.processes is not None and options.processes < 1:
        raise ConfigError("--processes must be at least 1")
    processes = options.processes or len(usable_cores())
    try:
        finished = ablate(read_matrix(options.matrix), options.out, processes, Console(soft_wrap=True))
    except KeyboardInterrupt:
        print("visplay: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0 if finished else 1


def _labels(options: argparse.Namespace) -> int:
    from visplay.config import load_settings
    from visplay.errors import ConfigError
    from visplay.lab.label_study import study_labels, study_lines

    if options.count < 1:
        raise ConfigError("--count must be at least 1")
    settings = load_settings(options.preset, options.set, {"images": options.images, "seed": options.seed})
    for line in study_lines(study_labels(options.model, options.count, settings)):
        print(line, flush=True)
    return 0
