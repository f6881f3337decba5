"""Flags that several commands share, and what they mean. Choices come from the settings."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeAlias

from visplay.config import Settings, preset_names
from visplay.errors import ConfigError

if TYPE_CHECKING:
    from visplay.types import Suite

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_preset(command: argparse.ArgumentParser, default: str | None = "default", condition: str = "") -> None:
    """The flag `--preset`; `condition` says when it applies."""
    shown = f"{condition}{', '.join(preset_names())}, or a YAML file"
    command.add_argument("--preset", default=default, help=f"{shown}; default: %(default)s" if default else shown)


def add_engine(command: argparse.ArgumentParser) -> None:
    """The flag `--engine`."""
    from visplay.interfaces.component import components

    choices = list(components("engine"))
    command.add_argument("--engine", choices=choices, help="what generates; default: as the settings say")


def add_set(command: argparse.ArgumentParser) -> None:
    """The flag `--set`."""
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change any setting")


def add_items(command: argparse.ArgumentParser) -> None:
    """The flag `--items`."""
    command.add_argument("--items", type=int, metavar="N", help="use at most N items of each suite")


def chosen_settings(name: str, options: argparse.Namespace, preset: str | None = None) -> Settings:
    """A run's own settings, or a model's, changed by `--set`, `--engine` and `--seed`."""
    from visplay.roles.open import own_settings

    engine = [f"engine={options.engine}", "vote_engine=null"] if options.engine else []
    return own_settings(name, preset, [*engine, *options.set], {"seed": options.seed})


def named_suites(options: argparse.Namespace) -> tuple[tuple[Suite, ...], list[str]]:
    """The suites that `--data` or `--suites` name, and the rows of the file that cannot be used."""
    from visplay.evaluation.open_suites import draw_items, open_suites
    from visplay.evaluation.suites.file import read_labelled

    check_at_least_one("--items", options.items)
    if not options.data:
        return open_suites(options.suites, options.seed, options.items), []
    data = read_labelled(options.data)
    return (draw_items(data.suite, options.items, options.seed),), list(data.skipped)


def check_at_least_one(flag: str, value: int | None) -> None:
    """Refuse a count below 1; None is a flag that was not given.

    Raises:
        ConfigError: it is below 1.
    """
    if value is not None and value < 1:
        raise ConfigError(f"{flag} must be at least 1")
