"""Suites and drawings: from a seed alone, labelled truly, and apart from the truth they hide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visplay.errors import EvaluationError
from visplay.evaluation.open_suites import open_suites
from visplay.interfaces.component import read_component
from visplay.lab.draw import STYLES, draw
from visplay.lab.drawings import drawings
from visplay.lab.language import read
from visplay.lab.scene import UNSEEN_PAIRS, Scene, Thing
from visplay.lab.sources.easy_vqa import EasyVQASource
from visplay.lab.suites.tasks import TASKS, LabSuites, lab_suites
from visplay.lab.truth import Truth, read_flat_scene
from visplay.types import ImageRef, Question


def test_a_seed_decides_a_suite() -> None:
    first, again, other = (lab_suites(seed, 12, ["counting"], ["textured"])[0] for seed in (1, 1, 2))
    assert first == again
    assert first.items != other.items
    assert first.items[0].image.data != other.items[0].image.data


def test_every_task_and_look_has_its_suite_and_every_item_an_answer() -> None:
    suites = lab_suites(0, 8)
    assert {suite.name for suite in suites} == {f"lab/{task}/{look}" for task in TASKS for look in STYLES}
    items = [item for suite in suites for item in suite.items]
    assert len({item.id for item in items}) == len(items) == 8 * len(suites)
    assert all(item.answer and read(item.question) for item in items)


def test_composition_draws_only_unseen_pairs() -> None:
    (suite,) = lab_suites(3, 60, ["composition"], ["clean"])
    asked = [(read(item.question), item.answer) for item in suite.items if item.kind == "color"]
    assert asked
    for query, color in asked:
        assert query is not None
        assert query.noun.shape is None or (color, query.noun.shape) in UNSEEN_PAIRS


def test_hallucination_asks_only_for_what_is_not_there() -> None:
    (suite,) = lab_suites(3, 60, ["hallucination"], ["clean"])
    for item in suite.items:
        assert item.answer == {"exists": "no", "absent": "yes", "count": "0"}[item.kind]


def test_looks_differ_and_drawing_repeats() -> None:
    scene = Scene((Thing("red", "circle", 0.5, 0.5, 0.15, 0.15),))
    images = {look: np.asarray(draw(scene, style, np.random.default_rng(0))) for look, style in STYLES.items()}
    assert np.array_equal(images["noisy"], np.asarray(draw(scene, STYLES["noisy"], np.random.default_rng(0))))
    assert images["pastel"][0, 0].mean() > 200 > images["clean"][0, 0].mean()
    # The thing itself is red in every look.
    assert all(p[40, 40, 0] > p[40, 40, 1] + 60 for p in images.values())


def test_drawings_keep_their_scenes_apart() -> None:
    images, scenes = drawings("single", 5, seed=4)
    assert [p.id for p in images] == list(scenes)
    assert all(len(scene.things) == 1 for scene in scenes.values())
    assert images == drawings("single", 5, seed=4)[0]


def test_the_scene_of_a_flat_image_is_read_from_its_pixels() -> None:
    """Checked against the benchmark's own test answers, which name shape and colour."""
    import easy_vqa as package

    texts, answers, images = package.get_test_questions()
    paths = package.get_test_image_paths()
    for text, answer, image in list(zip(texts, answers, images, strict=True))[::7]:
        image = ImageRef(str(image), Path(paths[image]))
        question = Question("q", image, "open", text)
        assert Truth(read_flat_scene).answer(question) == answer, (text, image)


def test_every_training_image_of_easy_vqa_can_be_read() -> None:
    found = [read_flat_scene(image).things[0] for image in EasyVQASource().open(seed=0).images[::40]]
    assert {thing.shape for thing in found} == {"circle", "rectangle", "triangle"}
    assert len({thing.color for thing in found}) == 8


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("lab", {f"lab/{task}/{look}" for task in TASKS for look in STYLES}),
        ("lab/counting", {f"lab/counting/{look}" for look in STYLES}),
        ("lab/counting/pastel", {"lab/counting/pastel"}),
    ],
)
def test_a_word_names_suites(text: str, names: set[str]) -> None:
    suites = open_suites([text], seed=0, items_per_suite=2)
    assert {suite.name for suite in suites} == names
    assert {len(suite.items) for suite in suites} == {2}
    source = read_component("suite", text)
    assert isinstance(source, LabSuites) and str(source) == text
    assert open_suites([source, text], seed=0, items_per_suite=2) == suites, "each name once"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lab/chess", r"no suite 'lab/chess' \(did you mean 'lab/records'\?\); tasks are "),
        ("lab/counting/cubist", r"no suite 'lab/counting/cubist' \(did you mean 'lab/counting/noisy'\?\); tasks are "),
        ("lab/counting/pastel/more", "choose lab, lab/TASK or lab/TASK/STYLE"),
        ("imagenet", "no suite 'imagenet'; choose one of easy_vqa, file, lab"),
    ],
)
def test_an_unknown_suite_is_one_line(text: str, said: str) -> None:
    with pytest.raises(EvaluationError, match=said) as raised:
        open_suites([text], seed=0)
    assert "\n" not in str(raised.value)
