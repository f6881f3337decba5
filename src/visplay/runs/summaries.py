"""Summaries of several finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visplay.config import load_settings
from visplay.runs.directory import check_finished
from visplay.runs.state import read_json


def differ_in_seed_alone(paths: Sequence[Path]) -> bool:
    """Whether the settings of all runs are equal except for the seed.

    Raises:
        ConfigError: a config.yaml is invalid.
    """
    first, *others = (load_settings(str(path / "config.yaml")).model_copy(update={"seed": 0}) for path in paths)
    return all(settings == first for settings in others)


def read_summaries(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The content of summary.json of each run, in order.

    Raises:
        RunError: a run is not finished.
    """
    for path in paths:
        check_finished(path)
    return [read_json(path / "summary.json") for path in paths]
