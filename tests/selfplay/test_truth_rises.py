"""On drawings whose truth is known: as the reward rises, so does the accuracy; a random reward does not keep up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console

from visplay.config import Settings, load_settings
from visplay.evaluation.results import SuiteResult, run_measurements
from visplay.lab.suites.tasks import lab_suites
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay.context import RunInputs
from visplay.selfplay.controls import CONTROLS, changed
from visplay.selfplay.run import run_evolution

SMALL = (
    "iterations=1",
    "questioner.steps=0",
    "silver.images=100",
    "reasoner.steps=7",
    "reasoner.questions_per_step=24",
    "reasoner.augmentations=[brighter]",
    "rl.learning_rate=1e-4",
    "evaluation.sampled=false",
)


def evolved(folder: Path, settings: Settings) -> tuple[SuiteResult, SuiteResult]:
    """Colours and shapes of light drawings, asked before and after one iteration."""
    suites = tuple(lab_suites(77, 300, ["single"], ["pastel"]))
    images = settings.images.open(settings.seed).images
    inputs = RunInputs(images, suites, settings.images.observer(settings.seed))
    with RunDirectory.create(folder, settings) as run:
        run_evolution(run, inputs, Console(quiet=True))
    base, (after,) = run_measurements(folder)
    assert base is not None
    return base.greedy["lab/single/pastel"], after.greedy["lab/single/pastel"]


def test_reward_and_truth_rise_together(tmp_path: Path) -> None:
    values = {"images": "lab/single", "seed": 0}
    base, after = evolved(tmp_path / "silver", load_settings("default", SMALL, values))
    gain = after.difference_to(base)
    assert gain.mean > 0.04 and gain.ci95.low > 0

    lines = list(read_metrics(tmp_path / "silver" / "metrics.jsonl"))
    rewards = [line["reward"] for line in lines if line["phase"] == "reasoner"]
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3])
    silver = next(line for line in lines if line["phase"] == "silver")
    assert silver["label_accuracy"] > 0.65 and silver["answerable"] > 0.9

    settings = load_settings("default", SMALL, values)
    random = changed(settings, CONTROLS["random_reward"](settings), "random reward")
    _, by_chance = evolved(tmp_path / "random", random)
    assert after.difference_to(by_chance).ci95.low > 0
