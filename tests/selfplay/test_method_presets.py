"""The presets of other methods: each is planned, and runs one small iteration on the lab."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.tiny_runs import TINY
from visplay.cli.main import main
from visplay.config import load_settings
from visplay.lab.drawings import drawings
from visplay.roles.open import open_prompts
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import run_evolution

METHODS = ["evolmm", "given-questions", "dual-track", "invariance", "records", "exact-tasks", "claims"]
ROOT = Path(__file__).parents[2]


def test_the_page_of_methods_names_every_preset() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert [name for name in METHODS if f"| `{name}` |" not in page] == []


def test_given_questions_are_those_of_the_labs_bank() -> None:
    bank = (ROOT / "src/visplay/selfplay/banks/lab.txt").read_text(encoding="utf-8").splitlines()
    assert list(load_settings("given-questions").questioner.bank) == bank


def test_the_prompt_asks_for_the_quick_answer_that_is_paid_for(tmp_path: Path) -> None:
    """A model that has learned its forms is asked as it was taught."""
    asked = open_prompts(str(tmp_path), load_settings("dual-track")).questioner
    plain = open_prompts(str(tmp_path), load_settings("votes")).questioner
    assert asked.startswith(plain) and "<answer>" in asked and "<answer>" not in plain
    dual, votes = (open_prompts("lab", load_settings(preset)) for preset in ("dual-track", "votes"))
    assert dual == votes and dual.learned


@pytest.mark.long
@pytest.mark.parametrize("preset", METHODS)
def test_each_preset_is_planned_and_runs(preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "lab", "--preset", preset, "--gpu-memory", "24GB"]) == 0
    assert re.search(r"\d", capsys.readouterr().out)
    own = ("questioner.steps", "reasoner.reward", "silver.gates")
    tiny = [change for change in TINY if not change.startswith(own)]
    settings = load_settings(preset, [*tiny, "evaluation.suites=[]", "silver.images=12", "silver.votes=4"])
    settings = settings.model_copy(
        update={"questioner": settings.questioner.model_copy(update={"steps": min(1, settings.questioner.steps)})}
    )
    with RunDirectory.create(tmp_path / "run", settings) as run:
        run_evolution(run, RunInputs(drawings("pastel", 12, 0)[0], (), None), Console(quiet=True))
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    trained = ["questioner"] * settings.questioner.steps
    assert [line["phase"] for line in lines] == [*trained, "silver", "reasoner", "reasoner"]
    assert next(line for line in lines if line["phase"] == "silver")["kept"] > 0
    assert ("kl_weight" in lines[-1]) is (preset == "evolmm")
