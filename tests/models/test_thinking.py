"""Models that think: what their chat template takes, where it begins a thought, and which marks a text keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from visplay.answers import extract_boxed
from visplay.errors import ModelError
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.types import ImageRef, Request

# As Qwen3-VL-Thinking and Qwen3.5 have it: the template begins the thought, or ends it at once.
_BEGINS = "<think>\n{% if enable_thinking is defined and not enable_thinking %}\n</think>\n\n{% endif %}"


@pytest.fixture
def thinker(model_folder: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(model_folder, tmp_path / "thinker"))
    template = folder / "chat_template.jinja"
    text = template.read_text(encoding="utf-8")
    end = "assistant\n{% endif %}"
    assert end in text
    template.write_text(text.replace(end, end.replace("{% endif %}", _BEGINS + "{% endif %}")), encoding="utf-8")
    return folder


def test_a_thought_that_the_template_begins_is_part_of_the_text(thinker: Path, images: tuple[ImageRef, ...]) -> None:
    vlm = VLM.load(thinker, device="cpu")
    assert vlm.begun_thought == "<think>\n"
    (drawn,) = TransformersEngine(Policy(vlm), 0).generate([Request("a", images[0], "?")], Sampling(max_tokens=3))["a"]
    assert drawn.text == "<think>\n" + vlm.decode(drawn.token_ids)
    said = vlm.tokenizer("so \\boxed{1}", add_special_tokens=False)["input_ids"]
    assert extract_boxed(vlm.decode(said)) == "1" and extract_boxed(vlm.completion_text(said)) is None


def test_the_template_takes_arguments(thinker: Path, images: tuple[ImageRef, ...]) -> None:
    thinks, answers = (
        VLM.load(thinker, device="cpu", chat_template=given) for given in ({}, {"enable_thinking": False})
    )
    assert answers.begun_thought == ""
    prompts = [vlm.tokenizer.decode(vlm.encode(images[0], "?").token_ids) for vlm in (thinks, answers)]
    assert prompts[0].endswith("assistant\n<think>\n") and prompts[1].endswith("<think>\n</think>\n\n")
    assert answers.with_model(answers.model).begun_thought == ""


@pytest.mark.parametrize("argument", ["enable_thinkin", "thinking_budget"])
def test_what_the_template_does_not_know_is_refused(thinker: Path, argument: str) -> None:
    with pytest.raises(ModelError, match=f"has no argument '{argument}'.*leave it out of chat_template"):
        VLM.load(thinker, device="cpu", chat_template={argument: False})


def test_marks_of_a_thought_that_are_special_tokens_stay_in_the_text(model_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "channels"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|channel>", "<channel|>", "<|other|>"]})
    tokenizer.save_pretrained(folder)
    vlm = VLM.load(folder, device="cpu")
    text = "<|channel>thought\n\\boxed{1}<channel|><|other|>\\boxed{2}<|im_end|>"
    said = vlm.decode(vlm.tokenizer(text, add_special_tokens=False)["input_ids"])
    assert said == "<|channel>thought\n\\boxed{1}<channel|>\\boxed{2}" and extract_boxed(said) == "2"
