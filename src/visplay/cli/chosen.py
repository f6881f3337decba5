"""The settings that `--set`, `--engine` and `--seed` choose for what is scored."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visplay.config import Settings


def add_chosen(verb: argparse.ArgumentParser, whose: str) -> None:
    """The flags `--engine` and `--set`; `whose` says what the latter is for."""
    verb.add_argument(
        "--engine", choices=["transformers", "vllm", "server"], help="default: as a run's settings say, or transformers"
    )
    verb.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=f"any other setting, of {whose}")


def chosen_settings(name: str, options: argparse.Namespace, preset: str | None = None) -> Settings:
    """A run's own settings, or a model's, with what the flags change."""
    from visplay.selfplay.state import own_settings

    engine = [f"engine={options.engine}"] if options.engine else []
    return own_settings(name, preset, [*options.set, *engine], {"seed": options.seed})
