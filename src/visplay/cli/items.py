"""The labelled questions that `--data`, `--suites` and `--items` name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visplay.types import Suite


def named_suites(options: argparse.Namespace) -> tuple[tuple[Suite, ...], list[str]]:
    """What `--data` or `--suites` name, and the rows of a file that cannot be used."""
    from visplay.evaluation.labelled import read_labelled
    from visplay.evaluation.open_suites import draw_items, open_suites

    check_items(options)
    if not options.data:
        return open_suites(options.suites, options.seed, options.items), []
    data = read_labelled(options.data)
    return (draw_items(data.suite, options.items, options.seed),), [str(row) for row in data.skipped]


def check_items(options: argparse.Namespace) -> None:
    """Refuse a count of items that asks for none."""
    from visplay.errors import ConfigError

    if options.items is not None and options.items < 1:
        raise ConfigError("--items must be at least 1")
