"""With true labels, the accuracy rises as the reward does; with a random reward it does not keep up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
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
    "silver.labeler=true_answers",
    "silver.gates=[]",
    "reasoner.steps=12",
    "reasoner.questions_per_step=36",
    "reasoner.augmentations=[plain]",
    "rl.learning_rate=1e-4",
    "acceptance.images=0",
    "evaluation.sampled=false",
    "evaluation.baseline_votes=0",
    "evaluation.paper_comparison=0",
)


def evolved(folder: Path, settings: Settings) -> tuple[SuiteResult, SuiteResult]:
    """Colours of turned shapes, asked before and after one iteration."""
    suites = tuple(lab_suites(77, 300, ["color"], ["rotated"]))
    images = settings.images.open(settings.seed).images
    inputs = RunInputs(images, suites, settings.images.observer(settings.seed))
    with RunDirectory.create(folder, settings) as run:
        run_evolution(run, inputs, Console(quiet=True))
    base, (after,) = run_measurements(folder)
    assert base is not None
    return base.greedy["lab/color/rotated"], after.greedy["lab/color/rotated"]


@pytest.mark.long
def test_reward_and_truth_rise_together(tmp_path: Path) -> None:
    values = {"images": "lab/rotated", "seed": 0}
    base, after = evolved(tmp_path / "true", load_settings("facts", SMALL, values))
    gain = after.difference_to(base)
    assert gain.mean > 0.02 and gain.ci95.low > 0

    lines = list(read_metrics(tmp_path / "true" / "metrics.jsonl"))
    rewards = [line["reward"] for line in lines if line["phase"] == "reasoner"]
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3])
    silver = next(line for line in lines if line["phase"] == "silver")
    assert silver["label_accuracy"] == silver["answerable"] == 1.0

    settings = load_settings("facts", SMALL, values)
    random = changed(settings, CONTROLS["random_reward"](settings), "random reward")
    _, by_chance = evolved(tmp_path / "random", random)
    assert after.difference_to(by_chance).ci95.low > 0
