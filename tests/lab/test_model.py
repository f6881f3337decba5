"""The shipped tiny VLM: competent in its own look, unsure elsewhere, able to ask and to decline."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from visplay.answers import extract_boxed, is_refusal
from visplay.evaluation.runner import measure
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.lab.drawings import drawings
from visplay.lab.language import read, write
from visplay.lab.oracle import answer, truth
from visplay.lab.questions import careless_query
from visplay.lab.suites.tasks import lab_suites
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.roles.prompts import load_prompts
from visplay.roles.questioner import parse_question
from visplay.types import Request

FOLDER = Path(str(resources.files("visplay") / "lab" / "model"))
PROMPTS = load_prompts(None, FOLDER)


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    vlm = VLM.load(FOLDER, device="cpu")
    vlm.model.requires_grad_(False)
    return TransformersEngine(Policy(vlm), seed=0)


def test_it_knows_what_it_was_taught(engine: TransformersEngine) -> None:
    suites = lab_suites(31, 100, ["color", "shape", "existence", "counting"], ["clean"])
    found = measure(engine, suites, PROMPTS.answer, None, sampled=False).greedy
    assert {name: result.accuracy for name, result in found.items() if result.accuracy < 0.9} == {}


def test_it_is_small_enough_to_ship() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 12e6


def test_it_asks_questions_that_can_be_read_and_mostly_answered(engine: TransformersEngine) -> None:
    images, scenes = drawings("clean", 60, 41)
    requests = [Request(f"ask/{image.id}", image, PROMPTS.questioner, 2) for image in images]
    completions = engine.generate(requests, Sampling())
    asked = [
        (scenes[r.image.id], parsed[1])
        for r in requests
        for completion in completions[r.id]
        if (parsed := parse_question(completion.text)) is not None
    ]
    assert len(asked) > 0.95 * 120
    assert sum(read(text) is not None for _, text in asked) > 0.9 * len(asked)
    assert sum(truth(text, scene) is not None for scene, text in asked) > 0.6 * len(asked)


def test_it_declines_what_a_image_does_not_answer(engine: TransformersEngine) -> None:
    images, scenes = drawings("clean", 200, 43)
    rng = np.random.default_rng(0)
    requests: dict[str, Request] = {}
    answerable: dict[str, bool] = {}
    for image in images:
        query = careless_query(("color", "shape")[rng.integers(2)], scenes[image.id], rng)
        requests[image.id] = Request(f"q/{image.id}", image, PROMPTS.answer(write(query, rng)), greedy=True)
        answerable[image.id] = answer(query, scenes[image.id]) is not None
    completions = engine.generate(list(requests.values()), Sampling())
    declined = {
        name: is_refusal(extract_boxed(completions[request.id][0].text) or "") for name, request in requests.items()
    }
    without = [declined[name] for name, known in answerable.items() if not known]
    with_one = [declined[name] for name, known in answerable.items() if known]
    assert len(without) > 50 and np.mean(without) > 0.8
    assert len(with_one) > 20 and np.mean(with_one) < 0.2
