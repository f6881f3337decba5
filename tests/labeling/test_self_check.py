"""A silver answer is rejected when the claims that follow from it are denied."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from visplay.config import ReasonerSettings
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.lab.drawings import drawings
from visplay.lab.scene import COLORS
from visplay.labeling.gates.self_check import SelfCheck
from visplay.roles.open import open_reasoner
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Candidate, Completion, ImageRef, Question, Request, VoteResult


def candidate(name: str, image: ImageRef, text: str, answer: str) -> Candidate:
    return Candidate(Question(name, image, "open", text), (), VoteResult(name, answer, 1.0, 8, 0))


class Witness:
    """An engine that gives each question its answers in turn, "yes" where it knows none; it keeps the requests."""

    def __init__(self, answers: dict[str, Sequence[str]]) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.asked += requests
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        answers = self.answers.get(request.prompt, ["yes"])
        return Completion(request.id, index, (1,), (0.0,), f"\\boxed{{{answers[index % len(answers)]}}}", True)


def reasoner(engine: Witness) -> Reasoner:
    return Reasoner(engine, Prompts(questioner="ask", reasoner="{question}", learned=True), ReasonerSettings(), 0)


HERE, THERE = ImageRef("here", b""), ImageRef("there", b"")
COLOR = "what color is the circle?"


@pytest.mark.parametrize(
    "there, not_there, reason",
    [
        (["yes"], ["no"], None),
        (["no"], ["yes"], "8 of 8 replies deny it"),
        (["yes"], ["yes"], None),  # as many yes as no: nothing was learned
        (["yes", "no"], ["yes"], "6 of 8 replies deny it"),
        (["unknown"], ["yes", "unknown"], "2 of 2 replies deny it"),
        (["unknown"], [""], None),
        (["maybe red"], ["no"], None),
    ],
)
def test_what_most_replies_deny_is_rejected(there: list[str], not_there: list[str], reason: str | None) -> None:
    engine = Witness({"is there a red circle?": there, "is there not a red circle?": not_there})
    found = SelfCheck(votes=4, max_denials=0.5).reject([candidate("q", HERE, COLOR, "red")], reasoner(engine))
    assert found == ({"q": reason} if reason else {})


def test_a_strict_gate_lets_nothing_be_denied() -> None:
    engine = Witness({"is there not a red circle?": ["no", "no", "no", "yes"]})
    everyone = [candidate("q", HERE, COLOR, "red")]
    assert SelfCheck(votes=4, max_denials=0.5).reject(everyone, reasoner(engine)) == {}
    assert SelfCheck(votes=4, max_denials=0.1).reject(everyone, reasoner(engine)) == {"q": "1 of 8 replies deny it"}


def test_one_who_says_yes_to_everything_learns_neither() -> None:
    relation = candidate("q", HERE, "is the dog left of the cat?", "yes")
    found = SelfCheck(votes=4, max_denials=0.4).reject([relation], reasoner(Witness({})))
    assert found == {"q": "4 of 8 replies deny it"}


def test_what_claims_nothing_passes_unasked() -> None:
    engine = Witness({})
    plain = [
        candidate("a", HERE, "is the dog hungry?", "brown"),
        candidate("b", HERE, "are there more dogs than cats?", "dogs"),
        candidate("c", HERE, COLOR, "unknown"),
    ]
    assert SelfCheck(max_denials=0.0).reject(plain, reasoner(engine)) == {} and engine.asked == []
    assert SelfCheck(max_denials=0.0).reject([], reasoner(engine)) == {}


def test_the_same_claim_is_asked_once_a_image_and_over_all_views() -> None:
    engine = Witness({})
    same = [
        candidate("a", HERE, COLOR, "red"),
        candidate("b", HERE, "what is the red shape?", "circle"),
        candidate("c", THERE, COLOR, "red"),
    ]
    gate = SelfCheck(votes=4, max_denials=0.4, augmentations=("plain", "darker"))
    found = gate.reject(same, reasoner(engine))
    assert found == {name: "4 of 8 replies deny it" for name in "abc"}
    ids = [request.id for request in engine.asked]
    assert ids == [f"vote/{augmentation}{q}~claim{n}" for q in "ac" for n in (0, 1) for augmentation in ("", "darker/")]
    assert {(r.image.id, r.n) for r in engine.asked if r.image.id.startswith("here")} == {
        ("here", 2), ("here~darker", 2)
    }  # fmt: skip


def test_the_tiny_vlm_denies_wrong_colours_of_clean_drawings() -> None:
    policy, prompts, settings = open_reasoner("lab")
    voter, gate = Reasoner(TransformersEngine(policy, 0), prompts, settings.reasoner, 0), SelfCheck()
    images, scenes = drawings("clean", 40, 0)
    alone = [(image, *scenes[image.id].things) for image in images if len(scenes[image.id].things) == 1]
    true = [candidate(p.id, p, f"what color is the {thing.shape}?", thing.color) for p, thing in alone]
    wrong = [
        candidate(p.id, p, f"what color is the {thing.shape}?", COLORS[COLORS.index(thing.color) - 1])
        for p, thing in alone
    ]
    assert len(alone) > 8
    assert len(gate.reject(true, voter)) < 0.25 * len(alone)
    assert len(gate.reject(wrong, voter)) > 0.75 * len(alone)
