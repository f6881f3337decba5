"""The oracle against hand-made scenes, and against facts recomputed another way."""

from __future__ import annotations

import numpy as np
import pytest

from visplay.lab.language import write
from visplay.lab.oracle import answer, truth
from visplay.lab.questions import absent_noun, random_query
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
        scene = random_scene(rng, int(rng.integers(1, 4)))
        query = random_query("exists", scene, rng)
        assert query is not None
        assert truth(write(query, rng), scene) == answer(query, scene)
        answers.append(answer(query, scene))
    assert 0.4 < answers.count("yes") / len(answers) < 0.6


def test_absent_nouns_are_absent_and_scenes_keep_their_promises() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        scene = random_scene(rng, 3, SEEN_PAIRS)
        assert len(scene.things) == 3
        assert not {(t.color, t.shape) for t in scene.things} & UNSEEN_PAIRS
        assert [t.x for t in scene.things] == sorted(t.x for t in scene.things)
        noun = absent_noun(scene, rng)
        assert not [t for t in scene.things if noun.color in (None, t.color) and noun.shape in (None, t.shape)]
