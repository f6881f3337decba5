"""The shipped tiny VLM: competent in its own look, unsure elsewhere, able to ask and to decline."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from visplay.answers import extract_boxed, is_refusal
from visplay.config import ReasonerSettings
from visplay.evaluation.runner import measure
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.lab.drawings import drawings
from visplay.lab.language import read, write
from visplay.lab.oracle import truth
from visplay.lab.questions import random_query, unanswerable_query
from visplay.lab.record import describe, things_right
from visplay.lab.suites.tasks import lab_suites
from visplay.labeling.records.asking import ask_records
from visplay.labeling.records.schema import Scene
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.roles.prompts import load_prompts
from visplay.roles.questioner import parse_question
from visplay.roles.reasoner import Reasoner
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


def test_most_things_of_its_records_are_right(engine: TransformersEngine) -> None:
    images, scenes = drawings("clean", 12, 37)
    seen = ask_records(Reasoner(engine, PROMPTS, ReasonerSettings(), 0), images, 4, ("plain", "darker"))
    right = said = true = 0
    for image in images:
        for reading in seen[image.id]:
            if isinstance(reading.record, Scene):
                things = [
                    f"{t.attributes['color']} {t.name} {t.row} {t.column} {t.size}" for t in reading.record.things
                ]
                right += things_right(", ".join(things), ", ".join(map(describe, scenes[image.id].things)))
                said += len(things)
                assert reading.form != "clean" or reading.record.complete == ("thing",)
            true += len(scenes[image.id].things)
    assert right > 0.6 * max(said, true), (right, said, true)


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


def test_it_declines_what_is_not_there_and_answers_what_is(engine: TransformersEngine) -> None:
    images, scenes = drawings("clean", 200, 43)
    rng = np.random.default_rng(0)
    requests: list[Request] = []
    for image in images:
        scene = scenes[image.id]
        known = random_query(("color", "shape")[rng.integers(2)], scene, rng)
        for name, query in (("absent", unanswerable_query(scene, rng)), ("known", known)):
            if query is not None:
                text = PROMPTS.answer(write(query, rng))
                requests.append(Request(f"{name}/{image.id}", image, text, greedy=True))
    completions = engine.generate(requests, Sampling())
    declined: dict[str, list[bool]] = {"absent": [], "known": []}
    for request in requests:
        boxed = extract_boxed(completions[request.id][0].text)
        declined[request.id.split("/")[0]].append(is_refusal(boxed or ""))
    assert len(declined["absent"]) > 150 and np.mean(declined["absent"]) > 0.8
    assert len(declined["known"]) > 150 and np.mean(declined["known"]) < 0.05
