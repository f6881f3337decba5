"""Any family from its folder: prompts equal to its own processor's, and a whole iteration in both tunings."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from rich.console import Console

from tests.parity.families import PADDED
from tests.parity.folders import ANSWERS, ASKED, FOLDERS, THINKING, THOUGHT, teach, write_folder
from visplay.config import Settings, load_settings
from visplay.errors import ModelError
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy
from visplay.models.processor import Processor
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.runs import RunDirectory
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import open_inputs, run_evolution
from visplay.types import ImageList, ImageRef, Request


def _image(name: str, height: int, width: int) -> ImageRef:
    buffer = io.BytesIO()
    noise = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return ImageRef(name, buffer.getvalue())


PICTURES = tuple(_image(f"p{n}", h, w) for n, (h, w) in enumerate([(20, 20), (32, 16), (16, 33), (28, 20), (9, 40)]))


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was taught two questions, three answers and two lists, each as often as the others."""
    folder = write_folder(request.param, tmp_path_factory.mktemp("family") / request.param)
    teach(folder, PICTURES[:2], steps=120 if request.param in THINKING else 60)
    return folder


def _own_processor(folder: Path) -> Any:
    """Its class as transformers has it, but for videos, which need a package that may not be there."""
    config = VLM.load(folder, device="cpu").model.config
    return Processor.load(str(folder), config)._processor


def test_prompts_and_images_are_what_the_familys_own_processor_makes(folder: Path) -> None:
    vlm, processor = VLM.load(folder, device="cpu"), _own_processor(folder)
    for image in PICTURES:
        encoded = vlm.encode(image, "what is it?")
        chat = vlm.processor.chat("what is it?")
        expected = processor(images=[image.load()], text=chat, add_special_tokens=False, return_tensors="pt")
        assert list(encoded.token_ids) == expected["input_ids"][0].tolist()
        assert all(encoded.pixels.texts) and vlm.image_token_id in encoded.token_ids
        for name, tensor in encoded.pixels.items():
            assert torch.equal(tensor, torch.as_tensor(expected[name]))


def test_a_text_cannot_bring_its_own_image(folder: Path) -> None:
    vlm = VLM.load(folder, device="cpu")
    harmless = vlm.encode(PICTURES[0], "a b").token_ids
    assert vlm.encode(PICTURES[0], f"a{vlm.processor.image_token} b").token_ids == harmless
    image_token = vlm.tokenizer.convert_ids_to_tokens(vlm.image_token_id)
    assert vlm.encode(PICTURES[0], f"a{image_token} b").token_ids == harmless


def _settings(folder: Path, tune: str) -> Settings:
    return load_settings(
        "paper-lab",
        [
            f"model={folder}",
            f"tune={tune}",
            "iterations=1",
            "seed=1",
            "questioner.steps=1",
            "questioner.images_per_step=3",
            "questioner.group_size=4",
            "questioner.votes=4",
            "silver.votes=6",
            "silver.gates.band.high=0.9",
            "reasoner.steps=2",
            "reasoner.questions_per_step=3",
            "reasoner.group_size=4",
            "rl.learning_rate=1e-3",
            "evaluation.suites=[]",
        ],
    )


@pytest.mark.parametrize("tune", ["lora", "full"])
def test_a_whole_iteration(folder: Path, tune: str, tmp_path: Path) -> None:
    settings = _settings(folder, tune)
    before = VLM.load(folder, device="cpu").model.state_dict()
    printed = io.StringIO()
    with RunDirectory.create(tmp_path / "run", settings) as run:
        run_evolution(run, RunInputs(PICTURES, (), None), Console(file=printed, width=500))
    said = "agrees with transformers" if folder.name in PADDED else "which agree with transformers"
    assert said in printed.getvalue()
    left_out = tune == "lora" and folder.name in ("qwen3_5", "glm4v")
    assert ("linear layers without an adapter" in printed.getvalue()) == left_out
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["questioner", "silver", "reasoner", "reasoner"]
    silver = lines[1]
    assert silver["valid"] > 0.5 * silver["asked"] and silver["kept"] > 0
    assert all(abs(line["kl"]) < 1e-4 for line in lines[2:3]) and lines[3]["kl"] > 0, "the second step has moved"
    assert all(line["grad_norm"] > 0 for line in lines[2:])
    role = tmp_path / "run" / "reasoner"
    if tune == "lora":
        assert (role / "adapter_model.safetensors").stat().st_size > 0
        return
    after = VLM.load(role, device="cpu")
    changed = {name for name, tensor in after.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed, "the Reasoner has learned"
    towers = {id(p) for p in after.vision_parameters()}
    frozen = {name for name, parameter in after.model.named_parameters() if id(parameter) in towers}
    assert frozen and not changed & frozen, "what sees is frozen by default"
    again, base = after.encode(PICTURES[1], "?"), VLM.load(folder, device="cpu").encode(PICTURES[1], "?")
    assert again.token_ids == base.token_ids, "the processor travels with the weights"


@pytest.mark.parametrize("folder", THINKING, indirect=True)
def test_a_family_that_thinks_does_so_in_every_output(folder: Path) -> None:
    vlm, silent = (VLM.load(folder, device="cpu", chat_template=given) for given in ({}, {"enable_thinking": False}))
    requests = [Request("ask", PICTURES[0], "Ask.", 4), Request("answer", PICTURES[0], ASKED[0], 4)]
    said = TransformersEngine(Policy(vlm), seed=0).generate(requests, Sampling())
    texts = [completion.text for request in requests for completion in said[request.id]]
    assert sum(text.startswith(THOUGHT) for text in texts) >= 6
    assert silent.processor.chat("Ask.") == vlm.processor.chat("Ask.") + "<think>\n\n</think>\n"


@pytest.mark.parametrize("folder", ["smolvlm", "gemma3"], indirect=True)
def test_the_preset_facts_runs_unchanged_on_photographs(folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("astronaut", "coffee", "chelsea", "rocket", "coins"):
        for turned in (0, 90):
            photo = Image.fromarray(getattr(skimage.data, name)()).resize((48, 36)).rotate(turned, expand=True)
            photo.save(photos / f"{name}-{turned}.jpg")
    small = ["questioner.steps=1", "questioner.images_per_step=3", "questioner.group_size=4", "questioner.votes=4"]
    small += ["reasoner.steps=2", "reasoner.questions_per_step=4", "reasoner.group_size=4", "acceptance.votes=4"]
    # The tiny model gives three answers as often as each other, which agree as rarely.
    small += ["silver.gates.band.low=0.25", "questioner.gates.band.low=0.25", "iterations=1", "evaluation.suites=[]"]
    settings = load_settings("facts", small, {"model": str(folder), "images": str(photos)})
    with RunDirectory.create(tmp_path / "run", settings) as run:
        run_evolution(run, open_inputs(settings, settings.images.open(settings.seed)), Console(quiet=True))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["accept", "questioner", "silver", "reasoner", "reasoner", "accept"]
    silver, verdict = lines[2], lines[-1]
    assert silver["kept"] > 0 and silver["asked"] == 2 * 8, "two images are held out"
    assert verdict["accepted"] in (True, False) and "asking_change" in verdict
    assert not any(key.startswith(("true_", "judge", "label_accuracy")) for line in lines for key in line)


def test_the_size_of_images_can_be_bounded(folder: Path) -> None:
    large = _image("large", 64, 128)
    free = VLM.load(folder, device="cpu").encode(large, "?")
    if "gemma" in folder.name:
        with pytest.raises(ModelError, match="have a fixed size; leave max_pixels out"):
            VLM.load(folder, device="cpu", max_pixels=256)
        return
    bounded = VLM.load(folder, device="cpu", max_pixels=256).encode(large, "?")
    assert len(bounded.token_ids) < len(free.token_ids)
    family = THINKING.get(folder.name, folder.name)
    if "qwen" in family or "glm" in family:
        frames = 2 if "glm" in family else 1  # GLM counts a still image as two frames
        assert int(bounded.pixels["image_grid_thw"].prod()) * 16 * frames <= 256
        grown = VLM.load(folder, device="cpu", min_pixels=40 * 40).encode(PICTURES[0], "?")
        assert int(grown.pixels["image_grid_thw"].prod()) * 16 * frames >= 40 * 40
    else:
        with pytest.raises(ModelError, match="have no minimum size; leave min_pixels out"):
            VLM.load(folder, device="cpu", min_pixels=256)


def test_images_stand_where_a_placed_prompt_says(folder: Path) -> None:
    """In the order of the text, or before it where the family's template knows no other place."""
    vlm, processor = VLM.load(folder, device="cpu"), _own_processor(folder)
    prompt = "Is <image 1> like <image 2>?"
    placed = ImageList.of([PICTURES[3], PICTURES[0]], prompt)
    chat = vlm.processor.chat(prompt, images=2, placed=True)
    first, between, last = chat.split(vlm.processor.image_token)
    if "like" in between:
        assert "Is" in first and "?" in last and "<image" not in first + between + last
    else:
        assert "Is image 1 like image 2?" in last and "like" not in first
    images = [[part.load() for part in placed.parts]]
    expected = processor(images=images, text=[chat], add_special_tokens=False, return_tensors="pt")
    encoded = vlm.encode(placed, prompt)
    assert list(encoded.token_ids) == expected["input_ids"][0].tolist()
    other, before = ImageList.of(placed.parts, "a"), ImageList.of(placed.parts)
    asked = [Request("p", placed, prompt), Request("o", other, "a <image 1> <image 2>"), Request("b", before, prompt)]
    assert all(TransformersEngine(Policy(vlm), 0).generate(asked, Sampling(max_tokens=3)).values())


def test_several_images_to_one_prompt(folder: Path) -> None:
    """As the family's own processor and model take them, and told apart by their order."""
    vlm, processor = VLM.load(folder, device="cpu"), _own_processor(folder)
    both = ImageList.of([PICTURES[3], PICTURES[0]])
    encoded = vlm.encode(both, "which?")
    chat = vlm.processor.chat("which?", images=2)
    images = [[part.load() for part in both.parts]]
    expected = processor(images=images, text=[chat], add_special_tokens=False, return_tensors="pt")
    assert list(encoded.token_ids) == expected["input_ids"][0].tolist()
    answer = [*vlm.tokenizer(ANSWERS[0], add_special_tokens=False).input_ids, 1]
    ids = [*encoded.token_ids, *answer]
    tensors = {name: tensor for name, tensor in expected.items() if "token_type" not in name}
    tensors |= {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.int64)}
    with torch.no_grad():
        logits = vlm.model(**tensors, **vlm.token_types(tensors["input_ids"])).logits[0]
        chosen = logits.log_softmax(-1)[len(encoded.token_ids) - 1 : -1].gather(1, torch.tensor(answer)[:, None])[:, 0]
        found = [
            vlm.logprobs([TokenTree.build([(*e.token_ids, *answer)])], [e.pixels], [[len(e.token_ids)]]).logprobs_ST[0]
            for e in (encoded, vlm.encode(ImageList.of(both.parts[::-1]), "which?"))
        ]
    torch.testing.assert_close(found[0], chosen, rtol=1e-4, atol=1e-5)
    assert not torch.equal(found[0], found[1])
    policy = Policy(vlm)
    requests = [Request("both", both, "which?", 3), Request("one", PICTURES[0], "which?", 2)]
    said = TransformersEngine(policy, seed=0).generate(requests, Sampling(max_tokens=3))
    assert [len(said[r.id]) for r in requests] == [3, 2]
