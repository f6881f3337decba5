"""The presets for real models, cut down in sizes alone: an iteration of a tiny Qwen2.5-VL, and of the lab's model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from tests.parity.folders import teach, write_folder
from tests.tiny_runs import TINY
from visplay.config import load_settings
from visplay.lab.drawings import drawings
from visplay.models.vlm import VLM
from visplay.roles.open import check_runnable
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import open_inputs, run_evolution
from visplay.tools.ablation import read_matrix

SIZES = [
    "min_pixels=784",  # one token
    "max_pixels=3136",
    "iterations=1",
    "questioner.steps=1",
    "questioner.images_per_step=4",
    "questioner.group_size=4",
    "reasoner.steps=2",
    "reasoner.questions_per_step=4",
    "reasoner.group_size=4",
    "silver.gates.band.low=0",  # the tiny model has no opinion
    "silver.gates.band.high=1",
    "rl.learning_rate=1e-4",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 256, (40, 30 + 4 * number, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    folder = write_folder("qwen2_5_vl", tmp_path_factory.mktemp("model") / "qwen2_5_vl")
    images = load_settings(values={"images": str(photos)}).images.open(0).images
    teach(folder, images[:2])
    return folder


@pytest.mark.parametrize("preset", ["official", "paper"])
def test_an_iteration_of_a_published_preset(preset: str, model: Path, photos: Path, tmp_path: Path) -> None:
    settings = load_settings(preset, SIZES, {"model": str(model), "images": str(photos)})
    check_runnable(settings)
    with RunDirectory.create(tmp_path / "run", settings) as run:
        run_evolution(run, open_inputs(settings, settings.images.open(settings.seed)), Console(quiet=True))
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [line["phase"] for line in lines] == ["questioner", "silver", "reasoner", "reasoner"]
    asked, silver, first, second = lines
    assert silver["asked"] == 6 and silver["kept"] > 0, "one question about each image"
    assert all(line["grad_norm"] > 0 and line["kl"] > 0 for line in (asked, first, second)), "four updates a step"
    before, after = (VLM.load(folder, device="cpu") for folder in (model, tmp_path / "run" / "reasoner"))
    pairs = zip(before.vision_parameters(), after.vision_parameters(), strict=True)
    assert not all(torch.equal(was, now.to(was.dtype)) for was, now in pairs), "the vision tower is trained"


@pytest.mark.parametrize("recipe", ["paper-lab", "paper", "official"])
def test_the_recipes_of_the_lab_run(recipe: str, tmp_path: Path) -> None:
    matrix = read_matrix(Path(__file__).parents[2] / "docs" / "ablations" / "fidelity.yaml")
    flags = next(run.flags for run in matrix.runs(tmp_path) if run.recipe == recipe)
    changes = [flag.removeprefix("--set=") for flag in flags if flag.startswith("--set=")]
    tiny = [change for change in TINY if not change.startswith("reasoner.reward")]
    settings = load_settings(flags[1], [*changes, *tiny, "evaluation.suites=[]", "silver.gates=[answered]"])
    inputs = RunInputs(drawings("clean", 8, 0)[0], (), None)
    with RunDirectory.create(tmp_path / "run", settings) as run:
        run_evolution(run, inputs, Console(quiet=True))
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [line["phase"] for line in lines] == ["questioner", "silver", "reasoner", "reasoner"]
    whole = load_settings(flags[1])
    assert (settings.rl.loss, settings.rl.reference, settings.rl.updates_per_step, settings.train_vision) == (
        whole.rl.loss,
        whole.rl.reference,
        whole.rl.updates_per_step,
        whole.train_vision,
    )
