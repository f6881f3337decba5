"""What an answer claims: yes/no questions that it settles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.lab.language import TEMPLATES, Kind, read, write
from visplay.lab.oracle import answer, truth
from visplay.lab.questions import random_query
from visplay.lab.scene import COLORS, SHAPES, Scene, random_scene
from visplay.labeling.gates.self_check import Claim, claims


def settled(noun: str, there: bool) -> tuple[Claim, Claim]:
    return (
        Claim(f"is there a {noun}?", "yes" if there else "no"),
        Claim(f"is there not a {noun}?", "no" if there else "yes"),
    )


@pytest.mark.parametrize(
    "question, answer, expected",
    [
        ("what color is the circle?", "red", settled("red circle", True)),
        ("what color is the bus?", "It is light gray.", settled("light gray bus", True)),
        ("what is the red shape?", "a circle", settled("red circle", True)),
        ("what is the red shape?", "a red circle", settled("red circle", True)),
        ("what shape is in the image?", "cross", settled("cross", True)),
        ("are there red dogs?", "no", settled("red dog", False)),
        ("is there an orange?", "yes", (Claim("is there an orange?", "yes"), Claim("is there not an orange?", "no"))),
        ("is there no car?", "yes", settled("car", False)),
        ("how many men are there?", "two", settled("man", True)),
        ("how many men are there?", "0", settled("man", False)),
        (
            "is the dog to the left of the car?",
            "no",
            (Claim("is the dog left of the car?", "no"), Claim("is the dog right of the car?", "yes")),
        ),
        ("are there more dogs than cats?", "yes", ()),
    ],
)
def test_what_an_answer_claims(question: str, answer: str, expected: tuple[Claim, ...]) -> None:
    assert claims(question, answer) == expected


@pytest.mark.parametrize(
    "question, answer",
    [
        ("why?", "yes"),
        ("is there a dog?", "unknown"),
        ("is there a dog?", "brown"),
        ("how many dogs are there?", "2.5"),
        ("how many dogs are there?", "many"),
        ("what color is the bus?", "red and white"),
        ("what color is the bus?", "shiny"),
        ("what material is the bus?", "red"),
        ("what is the red shape?", "red"),
        ("what is the red shape?", "5"),
        ("are there more dogs than cats?", "dogs"),
    ],
)
def test_nothing_follows_from_what_is_not_plain(question: str, answer: str) -> None:
    assert claims(question, answer) == ()


def test_a_claim_is_denied_by_its_opposite_alone() -> None:
    claim = Claim("is there a dog?", "yes")
    assert claim.denied_by("No.") and not claim.denied_by("Yes") and not claim.denied_by("brown")


def questions(scene: Scene, rng: np.random.Generator) -> dict[str, tuple[Kind, str]]:
    """Questions about a scene with their kinds and true answers."""
    asked = ((kind, random_query(kind, scene, rng)) for kind in TEMPLATES)
    return {write(q, rng): (kind, answer(q, scene) or "") for kind, q in asked if q is not None}


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_truth_about_a_scene_denies_no_claim_of_a_true_answer(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, count, sizes=(0.05, 0.1))
    for text, (_, true) in questions(scene, rng).items():
        for claim in claims(text, true):
            assert truth(claim.question, scene) == claim.answer


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_a_wrong_answer_is_denied_by_the_truth(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, count, sizes=(0.05, 0.1))
    for text, (kind, true) in questions(scene, rng).items():
        wrong = claims(text, _wrong(kind, true, rng))
        denied = [claim.denied_by(truth(claim.question, scene) or "") for claim in wrong]
        assert kind == "count" or all(denied), text


def _wrong(kind: Kind, true: str, rng: np.random.Generator) -> str:
    if kind == "count":
        return str(int(true) + 1)
    if kind in ("same color", "same shape", "record"):
        return "none"  # the grammar does not read these
    known = {"color": COLORS, "shape": SHAPES}.get(kind, ("yes", "no"))
    return str(rng.choice([one for one in known if one != true]))


@given(st.integers(0, 10**6))
def test_what_is_claimed_is_asked_in_words_the_lab_knows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, 3)
    for text, (_, true) in questions(scene, rng).items():
        assert all(read(claim.question) for claim in claims(text, true))
