"""A finished run of the lab's model in seconds: few images, one iteration, steps large enough to be seen."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from visplay.config import load_settings
from visplay.lab.drawings import drawings
from visplay.lab.suites.tasks import lab_suites
from visplay.runs import RunDirectory
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import run_evolution

TINY = [
    "iterations=1",
    "questioner.steps=1",
    "questioner.images_per_step=2",
    "questioner.group_size=4",
    "questioner.votes=2",
    "questioner.learning_rate=1e-3",
    "silver.images=4",
    "silver.votes=2",
    "silver.gates=[answered]",
    "reasoner.steps=2",
    "reasoner.questions_per_step=4",
    "reasoner.group_size=4",
    "reasoner.reward=random",
    "rl.learning_rate=3e-3",
    "evaluation.sampled=false",
]

FLAGS = [
    *("evolve", "--preset", "paper-lab", "--images", "lab/clean"),
    *(part for setting in TINY for part in ("--set", setting)),
    *("--set", "evaluation.suites=[lab/color]", "--set", "evaluation.items_per_suite=2"),
    *("--set", "acceptance.images=3", "--set", "acceptance.votes=2"),
]
"""The flags of `visplay evolve` for such a run, with all phases."""


def tiny_run(folder: Path, *changes: str) -> Path:
    """Evolve on twelve drawings into `folder`, which is then a finished run."""
    settings = load_settings("paper-lab", [*TINY, *changes], {"images": "lab/clean"})
    inputs = RunInputs(drawings("clean", 12, 0)[0], tuple(lab_suites(0, 2, ["color", "counting"], ["pastel"])), None)
    with RunDirectory.create(folder, settings) as run:
        run_evolution(run, inputs, Console(quiet=True))
    return folder
