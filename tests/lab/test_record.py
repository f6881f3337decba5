"""Records: written from scenes, read back, and compared thing by thing."""

from __future__ import annotations

import numpy as np
import pytest

from visplay.evaluation.grading import is_correct
from visplay.lab.language import Kind, Noun, Query
from visplay.lab.oracle import answer
from visplay.lab.questions import random_query
from visplay.lab.record import describe, read_record, same_record, things_right
from visplay.lab.scene import random_scene
from visplay.lab.suites.tasks import lab_suites

TRUE = "red circle 3 7 2, blue cross 1 1 4"


def test_a_record_is_read_as_the_scene_that_it_was_written_from() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        scene = random_scene(rng, int(rng.integers(1, 7)))
        text = answer(Query("record", Noun()), scene)
        assert text is not None
        found = read_record(text)
        assert found is not None and list(map(describe, found.things)) == list(map(describe, scene.things))


def test_what_follows_from_a_record_is_true_of_the_scene() -> None:
    """The digits are fine enough for every question that the oracle answers but those of distances."""
    rng = np.random.default_rng(1)
    kinds: tuple[Kind, ...] = ("color", "count", "more", "left", "below", "bigger", "half")
    asked = 0
    for _ in range(300):
        scene = random_scene(rng, int(rng.integers(2, 7)))
        query = random_query(kinds[rng.integers(len(kinds))], scene, rng)
        record = read_record(answer(Query("record", Noun()), scene) or "")
        if query is not None and record is not None:
            asked += 1
            assert answer(query, record) == answer(query, scene), (query, scene)
    assert asked > 200


@pytest.mark.parametrize(
    ("given", "right", "same"),
    [
        (TRUE, 2, True),
        ("blue cross 2 0 3, Red circle 3 7 2", 2, True),
        ("red circle 3 7 2", 1, False),
        ("red circle 3 7 2, blue cross 1 3 4", 1, False),
        ("red circle 3 7 2, red circle 3 7 2", 1, False),
        (f"{TRUE}, gray cross 5 5 1", 2, False),
        ("red circle, blue cross", 0, False),
        ("unknown", 0, False),
    ],
)
def test_a_thing_is_right_within_one_step(given: str, right: int, same: bool) -> None:
    assert things_right(given, TRUE) == right
    assert same_record(given, TRUE) is same


def test_the_suite_compares_records() -> None:
    (suite,) = lab_suites(0, 5, ["records"], ["clean"])
    for item in suite.items:
        assert is_correct(", ".join(reversed(item.answer.split(", "))), item)
        assert not is_correct("unknown", item)
