"""Pretraining in miniature: its lessons are true, it repeats, and it can be interrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.pretrain.lessons import Lesson, Stage, cells, reply
from scripts.pretrain.training import Pretraining, Recipe, pretrain, read_recipe
from visplay.answers import extract_boxed
from visplay.errors import ConfigError
from visplay.lab.language import KINDS, Noun, Query, read
from visplay.lab.oracle import answer
from visplay.lab.questions import random_query
from visplay.lab.scene import COLORS, SEEN_PAIRS, SHAPES, Scene, Thing, random_scene
from visplay.models.vlm import VLM

pytestmark = pytest.mark.long

SMALL = Recipe(
    batch=2,
    warmup=1,
    stages=(
        Stage("eyes", whole=False, steps=2, horizon=4),
        Stage("words", whole=True, steps=3, horizon=3, questions=2, asks=1, unknown=0.3, negated=0.5, taught=0.5),
    ),
)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoint.pt", weights_only=True)["model"]
    return state


def test_an_interrupted_pretraining_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    pretrain(tmp_path / "whole", SMALL)
    begun = replace(SMALL, stages=(SMALL.stages[0], replace(SMALL.stages[1], steps=1)))
    pretrain(tmp_path / "parts", begun)
    pretrain(tmp_path / "parts", SMALL)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert VLM.load(tmp_path / "whole" / "model", device="cpu").max_new_tokens == 64
    assert read_recipe(tmp_path / "whole" / "recipe.json") == SMALL
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in log] == [("eyes", 2), ("words", 3)]


def test_lessons_repeat_and_their_completions_begin_where_they_say(tmp_path: Path) -> None:
    work = Pretraining(SMALL, tmp_path)
    lesson, again = (work.teacher.lesson(5, SMALL.stages[1], 0.5) for _ in range(2))
    assert (
        lesson.sequences == again.sequences
        and lesson.weights == again.weights
        and np.array_equal(lesson.cells, again.cells)
    )
    for sequence, start in zip(lesson.sequences, lesson.starts, strict=True):
        assert work.tokenizer.decode(sequence[:start]).endswith("<|im_start|>assistant\n")
        assert work.tokenizer.decode(sequence[start:]).startswith(("<think>", "<type>", "\\boxed"))


SCENE = Scene(
    (
        Thing("red", "circle", 0.2, 0.5, 0.1, 0.1),
        Thing("red", "circle", 0.45, 0.8, 0.1, 0.1),
        Thing("blue", "cross", 0.7, 0.5, 0.1, 0.1),
    )
)


def written(query: Query, scene: Scene = SCENE) -> str:
    return "".join(segment.text for segment in reply(query, scene))


@pytest.mark.parametrize(
    ("question", "thought", "reasoned"),
    [
        ("what color is the cross?", "red circle, red circle, blue cross. blue cross", ""),
        ("is there a red circle?", "red circle, red circle, blue cross. red circle, red circle", ""),
        ("how many circles are there?", "red circle, red circle, blue cross. red circle, red circle = 2", ""),
        (
            "are there more circles than crosses?",
            "red circle, red circle, blue cross. red circle, red circle = 2. blue cross = 1",
            "</think>\\boxed{yes}",
        ),
        (
            "what color is the circle closest to the cross?",
            "red circle 5 2, red circle 8 4, blue cross 5 7. blue cross 5 7. red circle 8 4",
            " red circle 8 4</think>\\boxed{red}",
        ),
        (
            "how many shapes are left of the cross?",
            "red circle 2, red circle 4, blue cross 7. blue cross 7. red circle 2, red circle 4 = 2",
            " red circle 2, red circle 4 = 2</think>\\boxed{2}",
        ),
        ("is the cross on the left side of the image?", "red circle 2, red circle 4, blue cross 7. blue cross 7", ""),
    ],
)
def test_replies_reason_from_what_is_there_and_mark_what_follows_by_reasoning(
    question: str, thought: str, reasoned: str
) -> None:
    query = read(question)
    assert query is not None
    assert written(query) == f"<think>{thought}</think>\\boxed{{{answer(query, SCENE)}}}"
    assert "".join(segment.text for segment in reply(query, SCENE) if not segment.seen) == reasoned


def test_large_numbers_follow_by_reasoning() -> None:
    scene = Scene(tuple(Thing("red", "circle", 0.1 + 0.18 * place, 0.5, 0.06, 0.06) for place in range(5)))
    unseen = [segment.text for segment in reply(Query("count", Noun(None, "circle")), scene) if not segment.seen]
    assert unseen == [" 5", "</think>\\boxed{5}"]


def test_a_record_is_boxed_without_a_thought() -> None:
    assert written(Query("record", Noun())).startswith("\\boxed{red circle 5 2 ")


def test_replies_box_the_truth() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        scene = random_scene(rng, int(rng.integers(1, 7)))
        query = random_query(KINDS[rng.integers(len(KINDS))], scene, rng)
        if query is not None:
            assert extract_boxed(written(query, scene)) == answer(query, scene)


def test_a_thing_that_is_not_there_is_unknown() -> None:
    assert written(Query("color", Noun(None, "triangle"))).endswith(". no</think>\\boxed{unknown}")
    reply_to_absent = reply(Query("color", Noun(), Noun("gray", None), "left"), SCENE)
    assert reply_to_absent[-1].text.endswith("</think>\\boxed{unknown}") and all(s.seen for s in reply_to_absent)


def untaught(lessons: list[Lesson]) -> float:
    weights = [weight for lesson in lessons for each in lesson.weights for weight in each]
    return weights.count(0.0) / len(weights)


def test_lessons_teach_reasoning_as_often_as_asked_for(tmp_path: Path) -> None:
    work = Pretraining(SMALL, tmp_path)
    stage = replace(SMALL.stages[1], questions=6)
    shares = [
        untaught([work.teacher.lesson(number, replace(stage, taught=taught), 0.5) for number in range(60)])
        for taught in (0.0, 0.5, 1.0)
    ]
    assert shares[2] == 0.0 and shares[1] == pytest.approx(shares[0] / 2, rel=0.3) and shares[0] > 0.05


def test_lessons_hold_as_many_questions_without_answer_as_asked_for(tmp_path: Path) -> None:
    work = Pretraining(SMALL, tmp_path)
    stage = replace(SMALL.stages[1], questions=6)
    lessons = [work.teacher.lesson(number, stage, 0.5) for number in range(100)]
    texts = [
        work.tokenizer.decode(sequence[start:])
        for lesson in lessons
        for sequence, start in zip(lesson.sequences, lesson.starts, strict=True)
    ]
    replies = [text for text in texts if not text.startswith("<type>")]
    assert len(replies) == 600
    assert sum("unknown" in text for text in replies) / 600 == pytest.approx(stage.unknown, abs=0.06)


def test_cells_mark_what_lies_in_them() -> None:
    thing = Thing("teal", "rectangle", 0.2, 0.2, 0.1, 0.1)
    marked = cells(Scene((thing,))).reshape(10, 10, 5)
    wanted = COLORS.index("teal"), SHAPES.index("rectangle"), thing.row, thing.column, thing.size
    assert (marked[1:3, 1:3] == wanted).all()
    assert (marked[4:, :, 0] == len(COLORS)).all() and (marked[4:, :, 1:] == -100).all()


def test_lessons_never_show_an_unseen_pair() -> None:
    rng = np.random.default_rng(0)
    pairs = {(t.color, t.shape) for _ in range(300) for t in random_scene(rng, 6).things}
    assert len(pairs) == len(SEEN_PAIRS) == 32


@pytest.mark.parametrize("text", ["[]", "{", '{"speed": 1}', '{"stages": [{"name": "x"}]}', '{"stages": [1]}'])
def test_what_is_no_recipe_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"recipe\.json is no recipe") as error:
        read_recipe(file)
    assert "\n" not in str(error.value)
