"""The results of finished runs, read together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visplay.config import load_settings
from visplay.runs.state import RunError, read_json


def read_summaries(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """summary.json of each run, in order.

    Raises:
        RunError: a run is not finished, or two runs differ in another setting than the seed.
        visplay.config.ConfigError: a run's settings cannot be read.
    """
    for path in paths:
        if not (path / "summary.json").is_file():
            raise RunError(f"{path} holds no finished run: there is no summary.json")
    first, *others = ({**load_settings(str(path / "config.yaml")).model_dump(), "seed": 0} for path in paths)
    for path, settings in zip(paths[1:], others, strict=True):
        differing = sorted(name for name in first if settings[name] != first[name])
        if differing:
            raise RunError(f"{path} differs from {paths[0]} in more than the seed: {', '.join(differing)}")
    return [read_json(path / "summary.json") for path in paths]
