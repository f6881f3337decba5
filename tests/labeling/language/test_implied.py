"""What follows from an answer, and which answers cannot all be true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from visplay.labeling.language.implied import Claim, claims, implied
from visplay.labeling.language.possible import contradicting, possible

from visplay.lab.language import TEMPLATES, Kind, read, write
from visplay.lab.oracle import answer, truth
from visplay.lab.questions import random_query
from visplay.lab.scene import COLORS, SHAPES, Scene, random_scene
from visplay.labeling.language.statement import Statement, state


def said(question: str, answer: str) -> Statement:
    statement = state(question, answer)
    assert statement is not None
    return statement


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
    assert claims(said(question, answer)) == expected


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
    assert state(question, answer) is None


def test_a_claim_is_denied_by_its_opposite_alone() -> None:
    claim = Claim("is there a dog?", "yes")
    assert claim.denied_by("No.") and not claim.denied_by("Yes") and not claim.denied_by("brown")


@pytest.mark.parametrize(
    "question, answer, asked",
    [
        ("is there a red dog?", "yes", ("how many red dogs are there?",)),
        ("how many red dogs are there?", "2", ("is there a red dog?", "how many dogs are there?")),
        ("how many dogs are there?", "2", ("is there a dog?",)),
        ("what color is the dog?", "red", ("how many red dogs are there?",)),
        ("are there more dogs than cats?", "no", ("how many dogs are there?", "how many cats are there?")),
        ("is the dog above the cat?", "no", ("is the cat below the dog?",)),
    ],
)
def test_what_an_answer_implies(question: str, answer: str, asked: tuple[str, ...]) -> None:
    assert implied(said(question, answer)) == asked


@pytest.mark.parametrize(
    "statements",
    [
        {"is there a dog?": "yes", "how many dogs are there?": "0"},
        {"is there a dog?": "no", "how many brown dogs are there?": "1"},
        {"how many red circles are there?": "2", "how many circles are there?": "1"},
        {"how many shapes are there?": "1", "how many circles are there?": "2"},
        {"is there a red dog?": "no", "what color is the dog?": "red"},
        {"is there not a dog?": "yes", "is the dog left of the cat?": "yes"},
        {"is the dog left of the cat?": "yes", "is the cat right of the dog?": "no"},
        {"is the dog left of the cat?": "yes", "is the dog right of the cat?": "yes"},
        {"are there more dogs than cats?": "yes", "are there more cats than dogs?": "yes"},
        {"are there more dogs than cats?": "yes", "is there a dog?": "no"},
        {"are there more dogs than cats?": "yes", "how many dogs are there?": "1", "how many cats are there?": "1"},
        {"are there more dogs than cats?": "no", "how many dogs are there?": "2", "is there a cat?": "no"},
        {
            "is the dog above the cat?": "yes",
            "is the cat above the cow?": "yes",
            "is the cow above the dog?": "yes",
        },
        {"what color is the dog?": "red", "what is the color of the dog?": "brown"},
        {"are there more dogs than dogs?": "yes"},
    ],
)
def test_what_cannot_all_be_true(statements: dict[str, str]) -> None:
    everything = [said(question, answer) for question, answer in statements.items()]
    assert not possible(everything)
    for one in everything:
        others = [other for other in everything if other is not one]
        assert set(contradicting(one, others)) == set(others or [one])
        assert possible(others), "all of them are needed"


@pytest.mark.parametrize(
    "statements",
    [
        {"is there a red dog?": "no", "how many dogs are there?": "2"},
        {"is there a car?": "no", "is there a car door?": "yes"},
        {"is the dog left of the cat?": "no", "is the dog right of the cat?": "no"},  # one above the other
        {"is the dog left of the cat?": "yes", "is the dog above the cat?": "no"},
        {"are there more dogs than cats?": "no", "are there more cats than dogs?": "no"},
        {"what color is the dog?": "grey", "what is the color of the dog?": "gray"},
        {"what color is the dog?": "brown", "what is the brown object?": "table"},
    ],
)
def test_what_can_all_be_true(statements: dict[str, str]) -> None:
    assert possible([said(question, answer) for question, answer in statements.items()])


def test_a_third_is_not_blamed_for_what_two_others_say() -> None:
    yes, none = said("is there a dog?", "yes"), said("how many dogs are there?", "0")
    assert contradicting(said("are there more cats than cows?", "yes"), [yes, none]) == ()


def questions(scene: Scene, rng: np.random.Generator) -> dict[str, tuple[Kind, str]]:
    """Questions about a scene with their kinds and true answers."""
    asked = ((kind, random_query(kind, scene, rng)) for kind in TEMPLATES)
    return {write(q, rng): (kind, answer(q, scene) or "") for kind, q in asked if q is not None}


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_truth_about_a_scene_holds_together(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, count, sizes=(0.05, 0.1))
    true = [said(text, answer) for text, (_, answer) in questions(scene, rng).items()]
    assert possible(true)
    for statement in true:
        for claim in claims(statement):
            assert truth(claim.question, scene) == claim.answer
        replies = [said(text, truth(text, scene) or "") for text in implied(statement)]
        assert not contradicting(statement, replies)


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_a_wrong_answer_is_denied_by_the_truth(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, count, sizes=(0.05, 0.1))
    for text, (kind, true) in questions(scene, rng).items():
        wrong = said(text, _wrong(kind, true, rng))
        replies = [said(question, truth(question, scene) or "") for question in implied(wrong)]
        denied = [claim.denied_by(truth(claim.question, scene) or "") for claim in claims(wrong)]
        assert kind == "count" or contradicting(wrong, replies), text
        assert kind == "count" or all(denied), text


def _wrong(kind: Kind, true: str, rng: np.random.Generator) -> str:
    if kind == "count":
        return str(int(true) + 1)
    known = {"color": COLORS, "shape": SHAPES}.get(kind, ("yes", "no"))
    return str(rng.choice([one for one in known if one != true]))


@given(st.integers(0, 10**6))
def test_what_follows_is_asked_in_words_the_lab_knows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, 3)
    for text, (_, true) in questions(scene, rng).items():
        statement = said(text, true)
        assert all(read(asked) for asked in implied(statement))
        assert all(read(claim.question) for claim in claims(statement))
