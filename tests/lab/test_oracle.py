"""The oracle against hand-made scenes, and against facts recomputed another way."""

from __future__ import annotations

import numpy as np
import pytest

from visplay.lab.language import Kind, write
from visplay.lab.oracle import answer, matching, related, truth
from visplay.lab.questions import (
    absent_noun,
    random_large_count,
    random_query,
    random_two_hop,
    unanswerable_query,
)
from visplay.lab.scene import SEEN_PAIRS, UNSEEN_PAIRS, Scene, Thing, random_scene

SCENE = Scene(
    (
        Thing("red", "circle", 0.2, 0.2, 0.1, 0.1),
        Thing("blue", "rectangle", 0.5, 0.8, 0.15, 0.15),
        Thing("red", "triangle", 0.8, 0.5, 0.1, 0.1),
    )
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what color is the circle?", "red"),
        ("what is the color of the rectangle?", "blue"),
        ("what color is the cross?", None),
        ("what color is the shape?", None),
        ("what is the blue shape?", "rectangle"),
        ("what is the red shape?", None),
        ("what shape is in the image?", None),
        ("is there a red circle?", "yes"),
        ("is there a blue circle?", "no"),
        ("is no teal shape present?", "yes"),
        ("does the image not contain a circle?", "no"),
        ("how many shapes are there?", "3"),
        ("how many red shapes are in the image?", "2"),
        ("how many crosses are there?", "0"),
        ("are there more red shapes than blue shapes?", "yes"),
        ("are there more circles than triangles?", "no"),
        ("is the circle left of the rectangle?", "yes"),
        ("is the circle right of the triangle?", "no"),
        ("is the circle above the rectangle?", "yes"),
        ("is the rectangle below the triangle?", "yes"),
        ("is the rectangle bigger than the circle?", "yes"),
        ("is the rectangle smaller than the triangle?", "no"),
        ("is the red shape left of the rectangle?", None),
        ("is the circle left of the cross?", None),
        ("is the circle left of the circle?", None),
        ("are there fewer circles than red shapes?", "yes"),
        ("is the circle on the left side of the image?", "yes"),
        ("is the rectangle in the top half of the image?", "no"),
        ("is the rectangle on the left side of the image?", None),
        ("what color is the shape left of the rectangle?", "red"),
        ("what shape is the object below the triangle?", "rectangle"),
        ("what color is the triangle right of the circle?", "red"),
        ("what color is the shape right of the circle?", None),
        ("what color is the cross left of the rectangle?", None),
        ("what color is the shape left of the cross?", None),
        ("what shape is the object closest to the rectangle?", "triangle"),
        ("what is the color of the object that is furthest from the rectangle?", "red"),
        ("what is the color of the object that is furthest from the circle?", None),
        ("how many shapes are above the rectangle?", "2"),
        ("how many circles are right of the rectangle?", "0"),
        ("how many objects have the color of the circle?", "2"),
        ("how many objects have the shape of the circle?", "1"),
        ("describe all shapes.", "red circle 2 2 3, blue rectangle 8 5 5, red triangle 5 8 2"),
        ("describe all red shapes.", "red circle 2 2 3, red triangle 5 8 2"),
        ("who are you?", None),
    ],
)
def test_truth(question: str, expected: str | None) -> None:
    assert truth(question, SCENE) == expected


def test_too_close_to_call_is_not_answerable() -> None:
    scene = Scene((Thing("red", "circle", 0.50, 0.2, 0.1, 0.1), Thing("blue", "circle", 0.53, 0.8, 0.1, 0.1)))
    assert truth("is the red circle left of the blue circle?", scene) is None
    assert truth("is the red circle bigger than the blue circle?", scene) is None
    assert truth("is the red circle above the blue circle?", scene) == "yes"


def test_drawn_questions_are_answerable_and_balanced() -> None:
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(400):
        scene = random_scene(rng, int(rng.integers(1, 7)))
        query = random_query("exists", scene, rng)
        assert query is not None
        assert truth(write(query, rng), scene) == answer(query, scene)
        answers.append(answer(query, scene))
    assert 0.4 < answers.count("yes") / len(answers) < 0.6


def test_numbers_are_large_and_two_hop_questions_lead_to_a_thing_that_is_not_their_anchor() -> None:
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(300):
        scene = random_scene(rng, int(rng.integers(4, 7)))
        count, query = random_large_count(scene, rng), random_two_hop(scene, rng)
        assert count is None or int(answer(count, scene) or 0) >= 4
        if query is None or query.relation is None or query.kind == "count":
            continue
        things = related(query, scene)
        assert query.other is not None and things is not None and len(things) == 1
        (anchor,) = matching(query.other, scene)
        assert things[0] is not anchor
        assert answer(query, scene) == getattr(things[0], query.kind)
        found += 1
    assert found > 100


def test_a_question_about_an_absent_thing_has_no_answer() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        scene = random_scene(rng, int(rng.integers(1, 7)))
        assert answer(unanswerable_query(scene, rng), scene) is None


def test_digits_of_things_that_are_compared_differ_and_order_them() -> None:
    rng = np.random.default_rng(4)
    measures = {
        "left": "column",
        "right": "column",
        "above": "row",
        "below": "row",
        "bigger": "size",
        "smaller": "size",
    }
    for _ in range(600):
        scene = random_scene(rng, 2)
        kind: Kind = rng.choice(list(measures))
        query = random_query(kind, scene, rng)
        if query is not None and query.other is not None:
            first, second = (getattr(matching(noun, scene)[0], measures[kind]) for noun in (query.noun, query.other))
            larger = kind in ("right", "below", "bigger")
            assert answer(query, scene) == ("yes" if (first > second if larger else first < second) else "no")


def test_absent_nouns_are_absent_and_scenes_keep_their_promises() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        scene = random_scene(rng, 6, SEEN_PAIRS)
        assert len(scene.things) == 6
        assert not {(t.color, t.shape) for t in scene.things} & UNSEEN_PAIRS
        assert [t.x for t in scene.things] == sorted(t.x for t in scene.things)
        noun = absent_noun(scene, rng)
        assert not [t for t in scene.things if noun.color in (None, t.color) and noun.shape in (None, t.shape)]
