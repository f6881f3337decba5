"""An exported role is the run's own: token for token in plain transformers, and refused where it could not be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from tests.tiny_runs import tiny_run
from visplay.cli.main import main
from visplay.config import load_settings
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.lab.suites.tasks import lab_suites
from visplay.models.names import model_name
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.roles.open import open_reasoner
from visplay.runs import RunDirectory
from visplay.tools.model_card import model_card
from visplay.types import Item, Request

LONGEST = 40  # tokens
Answers = list[list[int]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    lora = ["tune=lora", "evaluation.before=false", "rl.learning_rate=3e-2"]
    return {"full": tiny_run(folder / "full"), "lora": tiny_run(folder / "lora", *lora)}


@pytest.fixture(scope="module")
def items() -> list[Item]:
    tasks = ["color", "counting", "existence", "relation"]
    return [item for suite in lab_suites(5, 3, tasks, ["clean"]) for item in suite.items]


def own_answers(policy: Policy, wording: str, items: Sequence[Item]) -> Answers:
    """Greedy answers by the run's own engine."""
    prompts = {item.id: wording.replace("{question}", item.question) for item in items}
    requests = [Request(item.id, item.image, prompts[item.id], greedy=True) for item in items]
    found = TransformersEngine(policy, 0).generate(requests, Sampling(max_tokens=LONGEST))
    return [list(found[item.id][0].token_ids) for item in items]


def plain_answers(model: Any, folder: Path, wording: str, items: Sequence[Item]) -> Answers:
    """Greedy answers by transformers alone, with what lies in `folder`."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    images = AutoImageProcessor.from_pretrained(folder, backend="pil")
    found = []
    for item in items:
        content = [{"type": "image"}, {"type": "text", "text": wording.replace("{question}", item.question)}]
        turn = [{"role": "user", "content": content}]
        chat = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        pixels = images(images=[item.image.load()], return_tensors="pt")
        places = int(pixels["image_grid_thw"].prod()) // images.merge_size**2
        text = chat.replace("<|image_pad|>", "<|image_pad|>" * places)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        given = {"input_ids": ids, "mm_token_type_ids": (ids == model.config.image_token_id).long(), **pixels}
        answer = model.eval().generate(**given, do_sample=False, max_new_tokens=LONGEST)
        found.append(answer[0, ids.shape[1] :].tolist())
    return found


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_plain_transformers_answers_as_the_run_does(
    runs: dict[str, Path], items: list[Item], tmp_path: Path, tune: str
) -> None:
    to = tmp_path / "new" / "exported"
    assert main(["export", str(runs[tune]), "--role", "reasoner", "--to", str(to)]) == 0
    policy, prompts, _ = open_reasoner(str(runs[tune]))
    expected = own_answers(policy, prompts.reasoner, items)
    base = own_answers(Policy(VLM.load(model_name("lab"), device="cpu")), prompts.reasoner, items)
    assert expected != base, "a run that learned nothing would prove nothing"
    wording = yaml.safe_load((to / "prompts.yaml").read_text())["reasoner"]
    assert plain_answers(AutoModelForImageTextToText.from_pretrained(to), to, wording, items) == expected
    policy, prompts, _ = open_reasoner(str(to))
    assert own_answers(policy, prompts.reasoner, items) == expected, "and it is a model for visplay again"


def test_an_adapter_alone_is_loaded_by_peft(runs: dict[str, Path], items: list[Item], tmp_path: Path) -> None:
    to = tmp_path / "adapter"
    assert main(["export", str(runs["lora"]), "--role", "reasoner", "--to", str(to), "--adapter"]) == 0
    assert {path.name for path in to.iterdir()} == {
        *("adapter_config.json", "adapter_model.safetensors", "prompts.yaml", "README.md")
    }
    policy, prompts, _ = open_reasoner(str(runs["lora"]))
    base = AutoModelForImageTextToText.from_pretrained(model_name("lab"), dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(to))
    answers = plain_answers(model, Path(model_name("lab")), prompts.reasoner, items)
    assert answers == own_answers(policy, prompts.reasoner, items)


def test_each_role_is_its_own(runs: dict[str, Path], tmp_path: Path) -> None:
    """The Questioner's weights, not the Reasoner's; merged in the dtype of the run."""
    changed = tmp_path / "run"
    shutil.copytree(runs["lora"], changed)
    settings = yaml.safe_load((changed / "config.yaml").read_text())
    (changed / "config.yaml").write_text(yaml.safe_dump({**settings, "dtype": "bfloat16"}))
    for role in ("questioner", "reasoner"):
        assert main(["export", str(changed), "--role", role, "--to", str(tmp_path / role)]) == 0
    questioner, reasoner = (load_file(tmp_path / role / "model.safetensors") for role in ("questioner", "reasoner"))
    assert {weights.dtype for weights in questioner.values()} == {torch.bfloat16}
    differing = [name for name in questioner if not torch.equal(questioner[name], reasoner[name])]
    assert differing and not any("visual" in name for name in differing)
    for role in ("questioner", "reasoner"):
        to = tmp_path / "full" / role
        assert main(["export", str(runs["full"]), "--role", role, "--to", str(to)]) == 0
        assert (to / "model.safetensors").read_bytes() == (runs["full"] / role / "model.safetensors").read_bytes()


def test_the_card_tells_what_was_measured_and_on_how_much(runs: dict[str, Path], tmp_path: Path) -> None:
    for tune, role in (("full", "reasoner"), ("lora", "questioner")):
        to = tmp_path / tune
        assert main(["export", str(runs[tune]), "--role", role, "--to", str(to)]) == 0
        text = (to / "README.md").read_text()
        data = ModelCard(text).data.to_dict()
        assert data["base_model"] == "lab" and data["license"] == "apache-2.0" and role in data["tags"]
        assert data["library_name"] == "transformers" and "`visplay evolve`" in text
        assert "* Images: lab/clean, 12 images, crc32" in text and "Iteration handed over: 1 of 1" in text
        summary = json.loads((runs[tune] / "summary.json").read_text())
        measured = summary["suites"]["lab/color"]["iterations"][0]
        low, high = (f"{100 * end:.1f}" for end in measured["ci95"])
        row = next(line for line in text.splitlines() if line.startswith("| lab/color |"))
        assert f"| {measured['n']} |" in row and f"{100 * measured['accuracy']:.1f} [{low}, {high}]" in row
        assert ("difference" in measured) == ("[" in row.split("|")[5])
        assert ("of the Reasoner that learned beside it" in text) == (role == "questioner")
        assert str(tmp_path) not in text and "lab/model" not in text


def test_a_card_speaks_of_the_iteration_that_was_accepted() -> None:
    def figures(accuracy: float) -> dict[str, Any]:
        return {"accuracy": accuracy, "ci95": [accuracy - 0.1, accuracy + 0.1], "n": 90}

    verdicts = [
        {"iteration": 1, "accepted": True, "selected_iteration": 1},
        {"iteration": 2, "accepted": False, "selected_iteration": 1},
    ]
    silver = [{"kept": 7, "asked": 20}, {"kept": 8, "asked": 20}]
    suites = {"mine": {"base": figures(0.5), "iterations": [figures(0.6), figures(0.3)]}}
    summary = {"acceptance": verdicts, "silver": silver, "suites": suites}
    settings = load_settings("default", [], {"model": "./models/mine", "images": "./images/holiday"})
    card = model_card(settings, summary, "40 images, crc32 00000000", "reasoner", "mine", False)
    assert "1 of 2, the last that was accepted" in card and "7 of 20" in card and "60.0 [50.0, 70.0]" in card
    assert "30.0" not in card and "* Images: holiday, 40 images" in card and "images/" not in card
    assert "license" not in ModelCard(card).data.to_dict() and "look it up before" in card
    summary["acceptance"] = [{"iteration": 1, "accepted": False, "selected_iteration": 0}]
    card = model_card(settings, summary, None, "reasoner", "mine", False)
    assert "the weights of the base" in card and "| mine | 90 | 50.0 [40.0, 60.0] | 50.0 [40.0, 60.0] |  |" in card
    assert "measured no suite" in model_card(settings, {**summary, "suites": {}}, None, "reasoner", "mine", False)


def test_the_licence_is_that_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: qwen-research\n---\n# Base\n")
    settings = load_settings("default", [], {"model": str(tmp_path)})
    card = model_card(settings, {"acceptance": [], "silver": [], "suites": {}}, None, "reasoner", "mine", True)
    data = ModelCard(card).data.to_dict()
    assert data["license"] == "other" and data["license_name"] == "qwen-research" and data["library_name"] == "peft"
    assert data["base_model"] == tmp_path.name and "Licence of the base: qwen-research" in card


def refused(capsys: pytest.CaptureFixture[str], run: Path, to: Path, *more: str) -> str:
    capsys.readouterr()
    assert main(["export", str(run), "--role", "reasoner", "--to", str(to), *more]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("visplay: ") and "\n" not in error
    return error


def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to, full = tmp_path / "to", tmp_path / "run"
    shutil.copytree(runs["full"], full)
    assert "no run at" in refused(capsys, tmp_path / "none", to)
    assert "no adapter" in refused(capsys, full, to, "--adapter")
    assert "not an empty directory" in refused(capsys, full, full)
    assert "not an empty directory" in refused(capsys, full, full / "config.yaml")
    with RunDirectory.open(full):
        assert "in use" in refused(capsys, full, to)
    (tmp_path / "key").write_text("private")
    (full / "reasoner" / "more").symlink_to(tmp_path / "key")
    assert "is a link" in refused(capsys, full, to)
    (full / "reasoner" / "more").unlink()
    (tmp_path / "key").unlink()
    (full / "reasoner" / "prompts.yaml").unlink()
    assert "prompts.yaml" in refused(capsys, full, to)
    shutil.rmtree(full / "reasoner")
    assert "has no reasoner" in refused(capsys, full, to)
    (full / "summary.json").unlink()
    assert "not finished" in refused(capsys, full, to)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_adapter_of_another_model_is_refused(
    runs: dict[str, Path], model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs["lora"], run)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**settings, "model": str(model_folder)}))
    assert "does not fit" in refused(capsys, run, tmp_path / "to")
