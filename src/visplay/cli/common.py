"""Flags that several commands share, and what they mean. Choices come from the settings."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, get_args

from visplay.config import Settings, preset_names, recipe_names
from visplay.errors import ConfigError
from visplay.interfaces.component import components
from visplay.types import AnswersAre

if TYPE_CHECKING:
    from visplay.types import Suite

_PRESETS = f"{', '.join((*preset_names(), *recipe_names()))}, or a YAML file"
# Keyword arguments of `add_argument` for shared flags.
PRESET: dict[str, Any] = {"help": f"{_PRESETS}; default: by the size of the model and the memory of this machine"}
MODEL_PRESET: dict[str, Any] = {"help": f"for a model: {_PRESETS}"}
ENGINE: dict[str, Any] = {"choices": list(components("engine")), "help": "what generates; default: as the settings say"}
SET: dict[str, Any] = {"action": "append", "default": [], "metavar": "KEY=VALUE", "help": "change any setting"}
ITEMS: dict[str, Any] = {"type": int, "metavar": "N", "help": "use at most N items of each suite"}
TRUST: dict[str, Any] = {"action": "store_true", "help": "run code that comes with the model; no file can say so"}
IMPORT: dict[str, Any] = {
    "action": "append",
    "default": [],
    "dest": "imports",
    "metavar": "MODULE",
    "help": "import this module, whose components a preset or run names by import_path",
}
COLUMNS: dict[str, Any] = {
    "metavar": "WHAT=NAME,…",
    "help": "columns of --data with other names: question=prompt,answer=label; also image, choices, id, type",
}
ANSWERS_ARE: dict[str, Any] = {
    "choices": get_args(AnswersAre),
    "help": "what an answer of --data beside options is: index counts from 0, number from 1",
}
FORCE: dict[str, Any] = {"action": "store_true", "help": "replace the files of an earlier call"}
SEALED: dict[str, Any] = {"action": "store_true", "help": "the sealed half of the suites: for a report, not a choice"}


def chosen_settings(name: str, options: argparse.Namespace, preset: str | None = None) -> Settings:
    """A run's own settings, or a model's, changed by `--set`, `--engine` and `--seed`."""
    from visplay.roles.open import own_settings

    engine = [f"engine={options.engine}", "vote_engine=null"] if options.engine else []
    changes = [*engine, *options.set]
    return own_settings(name, preset, changes, {"seed": options.seed}, trust_remote_code=options.trust_remote_code)


def named_suites(options: argparse.Namespace) -> tuple[tuple[Suite, ...], list[str]]:
    """The suites that `--data` or `--suites` name, and the rows of the file that cannot be used."""
    from visplay.evaluation.open_suites import draw_items, open_suites
    from visplay.evaluation.suites.file import read_labelled

    check_at_least_one("--items", options.items)
    columns = named_columns(options.columns)
    if not options.data:
        if columns or options.answers_are:
            raise ConfigError("--columns and --answers-are are for --data; a suite knows its own")
        return open_suites(options.suites, options.seed, options.items, sealed=options.sealed), []
    data = read_labelled(options.data, columns, options.answers_are)
    return (draw_items(data.suite, options.items, options.seed),), list(data.skipped)


def named_columns(text: str | None) -> dict[str, str]:
    """The columns that `--columns` names, by what they hold."""
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    for what, _, name in pairs:
        if not what.strip() or not name.strip():
            raise ConfigError("--columns must be like question=prompt,answer=label")
    return {what.strip(): name.strip() for what, _, name in pairs}


def check_at_least_one(flag: str, value: int | None) -> None:
    """Refuse a count below 1; None means that the user did not give the flag."""
    if value is not None and value < 1:
        raise ConfigError(f"{flag} must be at least 1")


def check_sealed(options: argparse.Namespace) -> None:
    """Refuse `--sealed` where no suites are named."""
    if options.sealed and not options.suites:
        raise ConfigError("--sealed is for --suites; labelled files, tasks and stored answers have no sealed half")
