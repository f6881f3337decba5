"""The vLLM engine beside the trainer and the engine `transformers`, on the lab's model. Run by `make test-vllm`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.real_processes import together
from visplay.config import Settings, check_settings
from visplay.distributed.controller import init_distributed
from visplay.errors import EngineError
from visplay.generation.backends.transformers import TransformersEngine
from visplay.generation.backends.vllm import VLLMBackend
from visplay.generation.vllm_engine import VLLM, VLLMEngine
from visplay.interfaces.engine import Sampling
from visplay.lab.drawings import drawings
from visplay.models.names import model_name
from visplay.models.policy import Policy, new_policy
from visplay.roles.open import load_base
from visplay.roles.prompts import load_prompts
from visplay.types import Completion, ImageList, ImageRef, Request

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: make test-vllm")

PROMPTS = load_prompts(None, Path(model_name("lab")))
QUESTIONS = ("What color is the shape?", "What shape is it?", "Is there a red circle?")
BACKEND = VLLMBackend(kv_cache_gib=0.25, max_model_len=512)
SAMPLING = Sampling(max_tokens=40)


@dataclass(frozen=True)
class Stage:
    """Both roles of the lab's model on one vLLM."""

    settings: Settings
    vllm: VLLM
    questioner: VLLMEngine
    reasoner: VLLMEngine


@pytest.fixture(scope="module", params=["lora", "full"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    settings = check_settings({"tune": request.param, "device": "cpu", "engine": BACKEND}, where="a test")
    torch.manual_seed(0)
    base = load_base("lab", settings)
    roles = [new_policy(base, role, settings.tune, settings.lora) for role in ("questioner", "reasoner")]
    vllm = VLLM(base, settings, BACKEND)
    yield Stage(settings, vllm, *(VLLMEngine(policy, vllm, settings, BACKEND) for policy in roles))
    vllm.close()


def requests(tag: str, count: int = 8, n: int = 4, greedy: bool = False) -> list[Request]:
    images, _ = drawings("single", count, seed=7)
    return [
        Request(f"{tag}/{image.id}/{place}", image, PROMPTS.answer(question), n, greedy)
        for image in images
        for place, question in enumerate(QUESTIONS)
    ]


def learn(policy: Policy, size: float) -> None:
    """Move the weights as a step of training would, in a random direction, and do not say so."""
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(size * torch.randn_like(parameter))


def texts(found: dict[str, tuple[Completion, ...]]) -> dict[str, list[str]]:
    return {name: [completion.text for completion in completions] for name, completions in found.items()}


def noise(name: str, height: int, width: int) -> ImageRef:
    """Coarse noise, so that resizing in another way shows."""
    coarse = np.random.default_rng([height, width]).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))).save(buffer, "PNG")
    return ImageRef(name, buffer.getvalue())


def test_prompts_and_images_are_the_trainers(stage: Stage) -> None:
    images = [noise(f"{h}x{w}", h, w) for h, w in ((64, 64), (32, 32), (128, 96), (200, 304))]
    asked = [Request(p.id, p, "What is <|im_end|> on it?", 2) for p in (*images, ImageList.of(images[:2]))]
    vlm = stage.reasoner.policy.vlm
    prompts = [stage.reasoner._prompt(request) for request in asked]
    for request, output in zip(asked, stage.vllm.llm.generate(prompts, use_tqdm=False), strict=True):
        assert tuple(output.prompt_token_ids) == vlm.encode(request.image, request.prompt).token_ids
    stage.reasoner.generate(asked, SAMPLING)
    assert stage.reasoner.logprob_difference is not None and stage.reasoner.logprob_difference < 1e-5


def test_completions_are_whole(stage: Stage) -> None:
    found = stage.reasoner.generate(requests("whole", n=3), SAMPLING)
    vlm = stage.reasoner.policy.vlm
    for request in requests("whole", n=3):
        assert [c.index for c in found[request.id]] == [0, 1, 2]
        for completion in found[request.id]:
            assert completion.finished == (completion.token_ids[-1] in vlm.eos_ids)
            assert len(completion.token_ids) == len(completion.logprobs) <= 40
            assert not set(completion.token_ids) & set(vlm.placeholder_ids)
            assert completion.text == vlm.decode(completion.token_ids)
    assert texts(found) == texts(stage.reasoner.generate(requests("whole", n=3)[::-1], SAMPLING))
    assert texts(found) != texts(stage.reasoner.generate(requests("other", n=3), SAMPLING))


def test_greedy_answers_are_those_of_the_embedded_engine(stage: Stage) -> None:
    asked = requests("greedy", n=2, greedy=True)
    embedded = TransformersEngine(stage.reasoner.policy, stage.settings.seed)
    assert texts(stage.reasoner.generate(asked, SAMPLING)) == texts(embedded.generate(asked, SAMPLING))


def test_answers_are_distributed_as_those_of_the_embedded_engine(stage: Stage) -> None:
    asked = requests("drawn", count=12, n=24)
    embedded = TransformersEngine(stage.reasoner.policy, stage.settings.seed + 1)
    ours = texts(stage.reasoner.generate(asked, SAMPLING))
    print(f"{stage.settings.tune}: {stage.reasoner.logprob_difference:.2g} nats a token from the trainer")
    assert stage.reasoner.logprob_difference < 1e-5
    assert alike(ours, texts(embedded.generate(asked, SAMPLING))) > 0.001
    # The same test tells a temperature that is a little off.
    assert alike(ours, texts(embedded.generate(asked, Sampling(max_tokens=40, temperature=1.5)))) < 0.01


def alike(first: dict[str, list[str]], second: dict[str, list[str]], shuffles: int = 1000) -> float:
    """The p-value of both engines' answers coming from the same distribution to each question, by permutation."""
    random = np.random.default_rng(0)
    seen = np.zeros(shuffles + 1)
    for name, ours in first.items():
        _, kinds = np.unique([*ours, *second[name]], return_inverse=True)
        totals = np.bincount(kinds)
        orders = [np.arange(len(kinds)), *(random.permutation(len(kinds)) for _ in range(shuffles))]
        for place, order in enumerate(orders):
            mine = np.bincount(kinds[order[: len(ours)]], minlength=len(totals))
            seen[place] += ((2 * mine - totals) ** 2 / totals).sum()
    return float((seen >= seen[0]).mean())


def test_log_probabilities_after_temperature_are_those_of_the_trainer(tmp_path: Path) -> None:
    """Another temperature of training: vLLM then gives processed log-probabilities, also for greedy requests."""
    hot = {"sampling": {"temperature": 1.4}}
    values = {"tune": "lora", "device": "cpu", "engine": BACKEND, "questioner": hot, "reasoner": hot}
    settings = check_settings(values, where="a test")
    base = load_base("lab", settings)
    policy = new_policy(base, "reasoner", "lora", settings.lora)
    vllm = VLLM(base, settings, BACKEND)
    assert vllm.processed
    engine = VLLMEngine(policy, vllm, settings, BACKEND)
    for asked in (requests("hot"), requests("hot, greedy", greedy=True), [*requests("a"), *requests("b", greedy=True)]):
        engine.generate(asked, Sampling(max_tokens=40, temperature=1.4))
        assert engine.logprob_difference is not None and engine.logprob_difference < 1e-4
    engine.generate(requests("votes"), Sampling(max_tokens=40, temperature=0.7, top_p=0.9))
    vllm.close()


def test_both_roles_follow_their_weights(stage: Stage) -> None:
    asked = requests("follow", greedy=True)
    for engine in (stage.questioner, stage.reasoner, stage.questioner):
        before = texts(engine.generate(asked, SAMPLING))
        learn(engine.policy, 0.05)
        engine.policy.version += 1
        after = texts(engine.generate(asked, SAMPLING))
        assert engine.logprob_difference is not None and engine.logprob_difference < 1e-4
        assert before != after
        assert after == texts(TransformersEngine(engine.policy, 0).generate(asked, SAMPLING))


def test_weights_that_were_not_handed_over_are_seen(stage: Stage) -> None:
    engine = stage.reasoner
    engine.generate(requests("before"), SAMPLING)
    learn(engine.policy, 0.02)
    with pytest.raises(EngineError, match=r"does not sample from the reasoner's weights.* nats per token"):
        engine.generate(requests("left out"), SAMPLING)
    engine.policy.version += 1
    engine.generate(requests("handed over"), SAMPLING)


def test_an_engine_that_stays_with_the_base_is_seen_below_the_tolerance(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = stage.reasoner.policy.reference
    with base() as vlm:
        policy = new_policy(vlm, "newcomer", "lora", stage.settings.lora)
    if stage.settings.tune == "full":
        pytest.skip("the base is an adapter left out")
    engine = VLLMEngine(policy, stage.vllm, stage.settings, BACKEND)
    monkeypatch.setattr(stage.vllm, "sync_weights", lambda policy: None)
    engine.generate(requests("untrained"), SAMPLING)
    learn(policy, 3e-5)
    with pytest.raises(EngineError, match="it has the base"):
        engine.generate(requests("a small step"), SAMPLING)


def test_the_image_and_its_prompts_are_computed_once(stage: Stage) -> None:
    """Votes: two questions per image, eight answers each; as many tokens per image as four drawings have."""
    images, _ = drawings("single", 32, seed=9)
    albums = [ImageList.of(images[place : place + 4]) for place in range(0, 32, 4)]
    asked = [
        Request(f"votes/{album.id}/{question}", album, PROMPTS.answer(question), 8)
        for album in albums
        for question in QUESTIONS[:2]
    ]
    before = counters(stage.vllm)
    stage.reasoner.generate(asked, SAMPLING)
    hits, tokens = (now - then for now, then in zip(counters(stage.vllm), before, strict=True))
    print(f"{stage.settings.tune}: {hits / tokens:.1%} of {tokens:.0f} prompt tokens were in the prefix cache")
    assert hits / tokens > 0.8


def counters(vllm: VLLM) -> tuple[float, float]:
    """Prompt tokens found in the prefix cache, and all that were looked for there, since the start."""
    found = {metric.name: float(getattr(metric, "value", 0)) for metric in vllm.llm.get_metrics()}
    return found["vllm:prefix_cache_hits"], found["vllm:prefix_cache_queries"]


@pytest.mark.parametrize("tune, processes", [("lora", 1), ("full", 1), ("lora", 2)])
def test_an_iteration(tune: str, processes: int, tmp_path: Path) -> None:
    small = {
        "tune": tune,
        "iterations": 1,
        "device": "cpu",
        "engine": "{type: vllm, kv_cache_gib: 0.25, max_model_len: 512}",
        "questioner.steps": 2,
        "questioner.images_per_step": 4,
        "questioner.group_size": 4,
        "questioner.votes": 4,
        "silver.images": 16,
        "silver.votes": 6,
        "reasoner.steps": 2,
        "reasoner.questions_per_step": 8,
        "reasoner.group_size": 4,
        "acceptance.images": 0,
        "evaluation.suites": "[easy_vqa]",
        "evaluation.items_per_suite": 24,
    }
    flags = [flag for key, value in small.items() for flag in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "visplay", "evolve", "--preset", "paper-lab"]
    command += ["--processes", str(processes), "--out", str(tmp_path / "run")]
    finished = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=900, check=False)
    assert finished.returncode == 0 and "Traceback" not in finished.stderr, finished.stderr[-3000:]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    phases: Counter[Any] = Counter(line["phase"] for line in lines)
    assert phases["questioner"] == phases["reasoner"] == 2
    rewards = [line["reward"] for line in lines if line["phase"] == "reasoner"]
    assert all(0 <= reward <= 1 for reward in rewards)


def _place_of_vllm() -> int:
    settings = check_settings({"tune": "lora", "device": "cpu", "engine": BACKEND}, where="a test")
    with init_distributed():
        vllm = VLLM(load_base("lab", settings), settings, BACKEND)
        return int(vllm.llm.llm_engine.model_executor.driver_worker.worker.local_rank)


def test_each_of_several_processes_has_a_vllm_on_its_own_device(tmp_path: Path) -> None:
    assert together(2, _place_of_vllm, folder=tmp_path) == [0, 1]
