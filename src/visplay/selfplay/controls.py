"""Control runs that a gain must beat: random rewards, format-only rewards, an untrained Questioner."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from visplay.config import Settings, check_settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller
from visplay.evaluation.results import measurement_file
from visplay.evaluation.summary import lead
from visplay.runs import RunDirectory
from visplay.selfplay.context import RunInputs
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.run import run_evolution, summarize

CONTROLS: dict[str, dict[str, dict[str, Any]]] = {
    "random_reward": {"questioner": {"reward": "random"}, "reasoner": {"reward": "random"}},
    "format_reward": {"questioner": {"reward": "format"}, "reasoner": {"reward": "format"}},
    "untrained_questioner": {"questioner": {"steps": 0}},
}


def run_controls(
    run: RunDirectory, inputs: RunInputs, main: RunLogger, console: Console, controller: Controller = SINGLE_PROCESS
) -> dict[str, Any]:
    """Run each control: the same base and seed with an uninformative reward, or with an untrained Questioner.

    Returns:
        the summary of each control, by name; `lead` in it is how far the main run is ahead.
    """
    found: dict[str, Any] = {}
    _, ours = main.measurements()
    for name, changes in CONTROLS.items():
        folder = run.path / "controls" / name
        # A control shows where its reward leads, so no iteration of it is rolled back.
        settings = changed(
            run.settings,
            {**changes, "evaluation": {"before": False}, "acceptance": {"images": 0, "validation_set": None}},
        )
        exists = (folder / "config.yaml").exists()
        with RunDirectory.open(folder) if exists else RunDirectory.create(folder, settings) as control:
            _share_base(run.path, folder)
            logger = run_evolution(control, inputs, console, name, controller)
            found[name] = summarize(logger) | {"lead": lead(ours, logger.measurements()[1])}
    return found


def changed(settings: Settings, changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Settings with some values of some sections replaced, checked anew."""
    values = settings.model_dump(mode="json")
    for section, replaced in changes.items():
        values[section] |= replaced
    return check_settings(values, "controls")


def _share_base(run: Path, control: Path) -> None:
    measured, copy = measurement_file(run, 0), measurement_file(control, 0)
    if measured.exists():
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(measured, copy)
