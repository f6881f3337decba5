"""The recipe of a model without a preset: by its size and the memory found, planned before anything is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tests.tools.plan.shapes import qwen_3b
from visplay.cli.main import main
from visplay.config import Settings, dump_settings, load_settings, recipe_names
from visplay.errors import ConfigError
from visplay.selfplay import run as selfplay
from visplay.tools.plan import recipe
from visplay.tools.plan.recipe import choose_recipe, rate_warnings

GB = 10**9


@pytest.fixture(scope="module")
def three_billion(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration of Qwen2.5-VL-3B, a small tokenizer and no weights."""
    folder = tmp_path_factory.mktemp("big") / "model"
    shutil.copytree(model_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    qwen_3b().save_pretrained(folder)
    Qwen2VLImageProcessorPil().save_pretrained(folder)
    return folder


def build_for(model: Path, *changes: str) -> Any:
    return lambda preset, before=(): load_settings(preset, [*before, *changes], {"model": str(model)})


@pytest.mark.long
@pytest.mark.parametrize(
    ("memory", "changes", "preset", "fits"),
    [
        (24, (), "3b-24gb", True),
        (80, (), "7b-80gb", True),
        (6, (), "3b-24gb", False),
        (24, ("tune=full",), "3b-24gb", False),
    ],
)
def test_the_recipe_is_the_first_that_fits(
    three_billion: Path, memory: int, changes: tuple[str, ...], preset: str, fits: bool
) -> None:
    chosen = choose_recipe(str(three_billion), build_for(three_billion, *changes), memory * GB)
    assert (chosen.preset, chosen.fits) == (preset, fits)
    assert chosen.settings == build_for(three_billion, *changes)(preset)
    assert f"recipe {preset} for '{three_billion}' of 3.75 billion parameters " in chosen.line()
    assert chosen.told.startswith("fits in" if fits else "does not fit in")


def test_a_small_model_has_the_default_preset(model_folder: Path) -> None:
    chosen = choose_recipe(str(model_folder), build_for(model_folder), 1)
    assert (chosen.preset, chosen.fits) == ("default", True)
    assert chosen.settings == build_for(model_folder)("default")


@pytest.mark.long
@pytest.mark.parametrize("found", [6 * GB, 24 * GB])
def test_evolve_takes_the_recipe_or_says_what_plan_says(
    three_billion: Path, found: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Settings] = []

    def begin(settings: Settings, *_: object, **__: object) -> None:
        seen.append(settings)
        raise ConfigError("far enough")

    monkeypatch.setattr(recipe, "memory_found", lambda device: found)
    monkeypatch.setattr(selfplay, "evolve", begin)
    out = tmp_path / "run"
    assert main(["evolve", "--model", str(three_billion), "--images", "photos", "--out", str(out)]) == 2
    evolved = capsys.readouterr()
    main(
        ["plan", str(three_billion), "--gpu-memory", f"{found // GB}GB", "--image-tokens", "512", "--set", "device=cpu"]
    )
    conclusion = capsys.readouterr().out.splitlines()[-1]
    assert conclusion in evolved.err + evolved.out.replace("\n", " ")
    assert not out.exists()
    if found < 24 * GB:
        (line,) = evolved.err.splitlines()
        assert not seen and line.startswith("visplay: recipe 3b-24gb for ") and "does not fit" in line
    else:
        (settings,) = seen
        values = yaml.safe_load(dump_settings(settings))
        assert (values["tune"], values["dtype"], values["rl"]["learning_rate"]) == ("lora", "bfloat16", 1e-5)
        assert (values["max_pixels"], values["evaluation"]["suites"]) == (401408, [])
        assert evolved.out.startswith("recipe 3b-24gb for ") and "warning" not in evolved.out


@pytest.mark.long
def test_a_named_preset_of_the_lab_is_warned_of(
    three_billion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin(settings: Settings, *_: object, **__: object) -> None:
        raise ConfigError("far enough")

    monkeypatch.setattr(recipe, "memory_found", lambda device: 6 * GB)
    monkeypatch.setattr(selfplay, "evolve", begin)
    flags = ["--preset", "default", "--set", "silver.images=10", "--out", str(tmp_path / "run")]
    assert main(["evolve", "--model", str(three_billion), *flags]) == 2
    said = capsys.readouterr().out
    assert "warning: rl.learning_rate=0.0001 is for the lab's model" in said
    assert "warning: questioner.learning_rate=0.0001 is for the lab's model" in said
    assert "warning: by the plan, the run does not fit in 6.00 GB" in said


def test_rates_are_warned_of_above_a_hundred_million_parameters() -> None:
    lab, recipes = load_settings("default"), [load_settings(name) for name in recipe_names()]
    assert len(list(rate_warnings(lab, 100_000_001))) == 2
    assert list(rate_warnings(lab, 100_000_000)) == []
    assert [list(rate_warnings(settings, 7 * GB)) for settings in recipes] == [[], [], []]


@pytest.mark.parametrize(
    ("preset", "count"), [("default", 3), ("paper-lab", 2), ("votes", 2), ("paper", 2), ("official", 2)]
)
def test_the_labs_suites_are_for_its_model_or_images(preset: str, count: int) -> None:
    def suites(model: str, images: str, *changes: str) -> int:
        return len(load_settings(preset, changes, {"model": model, "images": images}).evaluation.suites)

    assert suites("lab", "photos") == suites("a/b", "easy-vqa") == suites("a/b", "lab/single") == count
    assert suites("a/b", "photos") == 0
    assert suites("a/b", "photos", "evaluation.suites=[lab]") == 1
