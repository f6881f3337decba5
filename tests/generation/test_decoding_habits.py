"""Decoding habits of a checkpoint do not reach a rollout: what is sampled is what the trainer scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from tests.parity.families import FAMILIES
from tests.parity.test_families import TinyVLM
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import ImageRef, Request

EOS = 7
# Each would change what is drawn, where it ends, or how.
HABITS: dict[str, dict[str, Any]] = {
    "n-grams": {"no_repeat_ngram_size": 1},
    "n-grams of the prompt": {"encoder_no_repeat_ngram_size": 1},
    "bad words": {"bad_words_ids": [[i] for i in range(30, 200)]},
    "suppressed": {"suppress_tokens": list(range(30, 200))},
    "suppressed at the start": {"begin_suppress_tokens": list(range(8, 250))},
    "bias": {"sequence_bias": [[[i], 9.0] for i in range(40, 60)]},
    "forced start": {"forced_bos_token_id": 40},
    "forced end": {"forced_eos_token_id": EOS},
    "stop strings": {"stop_strings": ["a", "e", "4", "5"]},
    "beams": {"num_beams": 3, "num_return_sequences": 2, "length_penalty": 2.0, "early_stopping": True},
    "assistant": {"prompt_lookup_num_tokens": 3},
    "repetition": {"repetition_penalty": 3.0},
    "repetition of the prompt": {"encoder_repetition_penalty": 3.0},
    "least length": {"min_length": 1000},
    "least new tokens": {"min_new_tokens": 20},
    "greatest length": {"max_length": 3},
    "time": {"max_time": 1e-9},
    "decay": {"exponential_decay_length_penalty": [1, 2.0]},
    "sampling": {"do_sample": True, "temperature": 0.05, "top_k": 2, "top_p": 0.1, "min_p": 0.5},
    "temperature without sampling": {"temperature": 0.05, "top_p": 0.1},
    "cuts": {"do_sample": True, "typical_p": 0.1, "epsilon_cutoff": 0.01, "eta_cutoff": 0.01},
    "watermark": {"watermarking_config": {"bias": 9.0, "greenlist_ratio": 0.25}},
    "guidance": {"guidance_scale": 3.0},
    "healing": {"token_healing": True},
    "contrast": {"penalty_alpha": 0.6, "top_k": 4},
    "outputs": {"return_dict_in_generate": True, "output_scores": True, "output_hidden_states": True},
    "cache": {"cache_implementation": "static", "use_cache": False},
    "unknown": {"a_habit_of_tomorrow": 3},
}
# Those that stand beside one another in one file.
TOGETHER = ("n-grams", "bad words", "suppressed at the start", "bias", "forced start", "forced end", "repetition")
TOGETHER += ("least new tokens", "greatest length", "decay", "sampling", "watermark", "stop strings")
PATHS = pytest.mark.parametrize("padded_because", ["", "this test wants it"], ids=["trees", "padded"])
SAMPLING = Sampling(max_tokens=9, temperature=1.2)


def _checked(vlm: Any, images: tuple[ImageRef, ...]) -> list[tuple[int, ...]]:
    """The tokens of a rollout, of which the trainer's log-probabilities are the sampler's."""
    requests = [Request(image.id, image, "What?", 3) for image in images]
    found = TransformersEngine(Policy(vlm), seed=0).generate(requests, SAMPLING)
    for request in requests:
        prompt = vlm.encode(request.image, request.prompt)
        for completion in found[request.id]:
            tree = TokenTree.build([(*prompt.token_ids, *completion.token_ids)])
            with torch.no_grad():
                scores = vlm.logprobs([tree], [prompt.pixels], [[len(prompt.token_ids)]], temperature=1.2)
            torch.testing.assert_close(scores.logprobs_ST[0], torch.tensor(completion.logprobs), rtol=0, atol=1e-5)
    return [completion.token_ids for request in requests for completion in found[request.id]]


@PATHS
@pytest.mark.parametrize("habit", HABITS)
def test_a_checkpoints_habit_does_not_reach_a_rollout(
    vlm: VLM, model_folder: Path, images: tuple[ImageRef, ...], tmp_path: Path, habit: str, padded_because: str
) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    file = tmp_path / "model" / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | HABITS[habit]))
    planted = VLM.load(tmp_path / "model", device="cpu")
    vlm.padded_because = planted.padded_because = padded_because
    assert _checked(planted, images[:2]) == _checked(vlm, images[:2])


@PATHS
def test_nor_does_one_of_an_old_config_json(
    vlm: VLM, model_folder: Path, images: tuple[ImageRef, ...], tmp_path: Path, padded_because: str
) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    (tmp_path / "model" / "generation_config.json").unlink()
    file = tmp_path / "model" / "config.json"
    habits = HABITS["n-grams"] | HABITS["repetition"] | HABITS["suppressed at the start"] | HABITS["sampling"]
    file.write_text(json.dumps(json.loads(file.read_text()) | habits))
    planted = VLM.load(tmp_path / "model", device="cpu")
    vlm.padded_because = planted.padded_because = padded_because
    assert _checked(planted, images[:2]) == _checked(vlm, images[:2])
    planted.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "generation_config.json").read_text())["no_repeat_ngram_size"] == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_sampler_and_trainer_agree_on_every_family(family: str, images: tuple[ImageRef, ...]) -> None:
    tiny = FAMILIES[family]()
    free = _checked(TinyVLM(tiny), images[:2])
    habits = {name: value for habit in TOGETHER for name, value in HABITS[habit].items()}
    tiny.model.generation_config = GenerationConfig(**habits)
    assert _checked(TinyVLM(tiny), images[:2]) == free


@pytest.mark.parametrize("habit", [name for name in HABITS if name != "unknown"])
def test_a_model_with_habits_is_saved_with_them(model_folder: Path, tmp_path: Path, habit: str) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    file = tmp_path / "model" / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | HABITS[habit]))
    VLM.load(tmp_path / "model", device="cpu").save(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "generation_config.json").read_text())
    assert all(saved[name] == value for name, value in HABITS[habit].items() if name != "watermarking_config")
