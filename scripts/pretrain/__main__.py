"""Make the lab's tiny VLM, whose weights are shipped with the package: `python -m scripts.pretrain --out DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scripts.pretrain.training import Recipe, pretrain, read_recipe
from visplay.errors import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and train; the exit status is 2 where the recipe cannot be used."""
    parser = argparse.ArgumentParser(description="Pretrain the lab's tiny VLM; called again, it continues.")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--recipe", type=Path, metavar="FILE.json", help="default: the shipped model's")
    parser.add_argument("--seed", type=int, help="default: the recipe's; another seed makes another base")
    options = parser.parse_args(arguments)
    try:
        recipe = read_recipe(options.recipe) if options.recipe else Recipe()
        pretrain(options.out, recipe if options.seed is None else replace(recipe, seed=options.seed))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"the model is in {options.out / 'model'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
