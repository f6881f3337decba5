"""What an answer claims: yes/no questions that it settles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.lab.language import TEMPLATES, Kind, read, write
from visplay.lab.oracle import answer, truth
from visplay.lab.questions import random_query
from visplay.lab.scene import COLORS, SHAPES, Scene, random_scene
from visplay.labeling.claims import Claim, Swaps, beside, claims, exact_number, false_claims
from visplay.labeling.language import OPPOSITES, Meaning, read_meaning

CASES = Path(__file__).with_name("cases")


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def settled(noun: str, there: bool) -> tuple[Claim, Claim]:
    return (
        Claim(f"is there a {noun}?", "yes" if there else "no"),
        Claim(f"is there not a {noun}?", "no" if there else "yes"),
    )


def counted(one: str, other: str) -> tuple[Claim, Claim]:
    return Claim(one, "yes"), Claim(other, "no")


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
        ("how many men are there?", "two", counted("are there exactly 2 men?", "is there exactly 1 man?")),
        ("How many men can you see?", "3", counted("can you see exactly 3 men?", "can you see exactly 4 men?")),
        ("how many men are there?", "0", settled("man", False)),
        (
            "How many wheels does the car have in the picture?",
            "4",
            counted(
                "does the car have exactly 4 wheels in the picture?",
                "does the car have exactly 3 wheels in the picture?",
            ),
        ),
        ("how many people are wearing hats?", "0", (Claim("are any people wearing hats?", "no"),)),
        (
            "is the dog to the left of the car?",
            "yes",
            (Claim("is the dog left of the car?", "yes"), Claim("is the dog right of the car?", "no")),
        ),
        (
            "is the dog to the left of the car?",
            "no",  # neither may be left of the other
            (Claim("is the dog left of the car?", "no"), Claim("is the car right of the dog?", "no")),
        ),
        ("is the car behind the bus?", "yes", (Claim("is the car behind the bus?", "yes"),)),
        (
            "are there more dogs than cats?",
            "yes",
            (Claim("are there more dogs than cats?", "yes"), Claim("are there more cats than dogs?", "no")),
        ),
        ("are there more dogs than cats?", "no", (Claim("are there more dogs than cats?", "no"),)),
        ("What color is the woman's shirt?", "red", (Claim("is the woman's shirt red?", "yes"),)),
        ("what color is the bus?", "red and white", (Claim("is the bus red and white?", "yes"),)),
        ("What brand is the laptop?", "Dell", (Claim("is the brand of the laptop Dell?", "yes"),)),
        ("What is the man holding?", "a cup", (Claim("is the man holding a cup?", "yes"),)),
        ("What is the woman doing?", "running", (Claim("is the woman running?", "yes"),)),
        ("What is the side? A. 12 cm B. 14 cm", "B", (Claim("is the side 14 cm?", "yes"),)),
        (
            "Which bar is highest?",
            "2019",
            (Claim('is the answer to the question "Which bar is highest?" "2019"?', "yes"),),
        ),
        (
            "Is the light on?",
            "no",
            (
                Claim("Is the light on?", "no"),
                Claim('is the answer to the question "Is the light on?" "no"?', "yes"),
            ),
        ),
    ],
)
def test_what_an_answer_claims(question: str, answer: str, expected: tuple[Claim, ...]) -> None:
    assert claims(question, answer) == expected


@pytest.mark.parametrize(
    "question, answer",
    [
        ("why?", "unknown"),
        ("why?", " "),
        ("is there a dog?", "unknown"),
        ("is there a dog?", "brown"),
        ("is the light on?", "maybe"),
        ("are there more dogs than cats?", "dogs"),
    ],
)
def test_nothing_follows_from_what_is_no_answer(question: str, answer: str) -> None:
    assert claims(question, answer) == ()


@pytest.mark.parametrize("answer", ["about 5", "~5", "5+", "at least 5", "4-6", "two or three", "5.5", "-1", "many"])
def test_a_number_that_is_not_exact_is_claimed_as_it_is_written(answer: str) -> None:
    assert exact_number(answer) is None
    (claim,) = claims("How many cars are there?", answer)
    assert claim == Claim(f'is the answer to the question "How many cars are there?" "{answer}"?', "yes")


@given(st.integers(1, 10**6))
def test_each_number_is_beside_one_other(number: int) -> None:
    assert beside(beside(number)) == number and abs(beside(number) - number) == 1 and beside(number) > 0


def canonical(claim: Claim) -> tuple[Meaning | str, bool]:
    """What a claim says in one form, so that "A is left of B" and "B is right of A" are the same."""
    meaning, yes = read_meaning(claim.question), claim.answer == "yes"
    if meaning is None:
        return claim.question, yes
    if meaning.negated:
        return replace(meaning, negated=False), not yes
    # Those two depend on whose eyes they are seen with.
    if (
        meaning.kind == "relation"
        and meaning.word not in ("in front of", "behind")
        and meaning.word > OPPOSITES[meaning.word]
    ):
        return replace(meaning, nouns=meaning.nouns[::-1], word=OPPOSITES[meaning.word]), yes
    return meaning, yes


@pytest.mark.parametrize("case", [*cases("jointly_true"), *cases("more_jointly_true")], ids=str)
def test_answers_that_can_all_be_true_claim_nothing_against_one_another(case: dict[str, Any]) -> None:
    said = [canonical(claim) for question, answer in case["all_true"] for claim in claims(question, answer)]
    assert said and not any((what, not yes) in said for what, yes in said)


@pytest.mark.parametrize("text", [case["question"] for case in cases("free_questions")])
def test_every_free_question_has_claims_and_false_ones(text: str) -> None:
    swaps = Swaps(here=["car"], elsewhere=["zebra"], answers=["Acme Ltd", "a wooden box"])
    plausible = ("yes", "no", "0", "3", "red", "B", "14 cm", "a man", "Springfield")
    claimed = [answer for answer in plausible if claims(text, answer)]
    assert len(claimed) >= 2
    assert any(false_claims(text, answer, swaps, "q") for answer in claimed)


@pytest.mark.parametrize(
    "question, answer, expected",
    [
        ("how many dogs are there?", "3", {
            Claim("are there exactly 4 dogs?", "yes"), Claim("are there exactly 3 dogs?", "no")}),
        ("is there a car?", "yes", {Claim("is there a zebra?", "yes"), Claim("is there not a zebra?", "no")}),
        ("is there a car?", "no", {Claim("is there a dog?", "no"), Claim("is there not a dog?", "yes")}),
        ("is the dog above the cat?", "yes", {
            Claim("is the dog below the cat?", "yes"), Claim("is the dog above the cat?", "no")}),
        ("is the dog above the cat?", "no", set()),
        ("are there more ladies than boxes?", "yes", {
            Claim("are there more boxes than ladies?", "yes"), Claim("are there more ladies than boxes?", "no")}),
        ("Is the light on?", "yes", {Claim('is the answer to the question "Is the light on?" "no"?', "yes")}),
        ("What is the speed limit?", "50 mph", {Claim("is the speed limit 49 mph?", "yes")}),
        ("What brand is the laptop?", "Dell", {Claim("is the brand of the laptop Acme?", "yes")}),
        ("What is it? A. a dog B. a cat", "A", {Claim('is the answer to the question "What is it?" "a cat"?', "yes")}),
        ("why?", "unknown", set()),
    ],
)  # fmt: skip
def test_a_false_claim_has_one_field_swapped(question: str, answer: str, expected: set[Claim]) -> None:
    swaps = Swaps(here=["dog"], elsewhere=["zebra"], answers=["Dell", "Acme"])
    assert set(false_claims(question, answer, swaps, "q")) == expected


@given(st.sampled_from(["red", "blue", "gray", "red and white"]), st.text(max_size=5))
def test_a_false_colour_is_none_that_the_thing_may_have(color: str, key: str) -> None:
    false = false_claims("What color is the woman's hat?", color, Swaps(), key)
    other = false[0].question.removeprefix("is the woman's hat ").rstrip("?")
    assert other not in color and {color, other} != {"gray", "white"}


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_a_claim_made_false_on_purpose_is_false(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, count, sizes=(0.05, 0.1))
    here = [thing.shape for thing in scene.things]
    elsewhere = [shape for shape in SHAPES if shape not in here]
    for text, (kind, true) in questions(scene, rng).items():
        for claim in false_claims(text, true, Swaps(here, elsewhere, list(SHAPES)), text):
            known = truth(claim.question, scene)
            # Another colour or shape may be that of another thing; a single thing has one of each.
            assert known is None or claim.denied_by(known) or (count > 1 and kind in ("color", "shape")), text


@given(st.text(max_size=80), st.text(max_size=20))
def test_any_text_is_claimed_or_not(question: str, answer: str) -> None:
    made = claims(question, answer)
    assert len(made) <= 2 and all(claim.answer in ("yes", "no") for claim in made)
    false = false_claims(question, answer, Swaps(["a"], ["b"], ["c"]), "q")
    assert len(false) <= len(made) and not set(false) & set(made)


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
            # The lab's language has no "exactly" and no last resort.
            assert truth(claim.question, scene) in (claim.answer, None)


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_a_wrong_answer_is_denied_by_the_truth(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, count, sizes=(0.05, 0.1))
    for text, (kind, true) in questions(scene, rng).items():
        wrong = claims(text, _wrong(kind, true, rng))
        known = [(claim, said) for claim in wrong if (said := truth(claim.question, scene))]
        denied = [claim.denied_by(said) for claim, said in known]
        # Of two things in one row none is left of the other, and there may be as many of one as of the other.
        assert kind == "count" or not denied or any(denied), text


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
        made = [claim for claim in claims(text, true) if claim.kind in ("exists", "which", "relation", "more")]
        assert all(read(claim.question) for claim in made)
