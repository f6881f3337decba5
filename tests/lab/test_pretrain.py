"""Pretraining in miniature: its lessons are true, it repeats, and it can be interrupted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scripts.pretrain_tiny_vlm import Pretraining, Recipe, Stage, cells, pretrain, read_recipe, reply

from visplay.answers import extract_boxed
from visplay.errors import ConfigError
from visplay.lab.language import Kind, Noun, Query
from visplay.lab.oracle import answer, matching
from visplay.lab.questions import random_query
from visplay.lab.scene import COLORS, SEEN_PAIRS, SHAPES, Scene, Thing, random_scene
from visplay.models.vlm import VLM

pytestmark = pytest.mark.long

SMALL = Recipe(
    batch=2,
    warmup=1,
    stages=(
        Stage("eyes", whole=False, steps=2, horizon=4),
        Stage("words", whole=True, steps=3, horizon=3, questions=2, asks=1, unknown=0.3, negated=0.5),
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
    assert VLM.load(tmp_path / "whole" / "model", device="cpu").max_new_tokens == 48
    assert read_recipe(tmp_path / "whole" / "recipe.json") == SMALL
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in log] == [("eyes", 2), ("words", 3)]


def test_lessons_repeat_and_their_completions_begin_where_they_say(tmp_path: Path) -> None:
    work = Pretraining(SMALL, tmp_path)
    lesson, again = (work.teacher.lesson(5, SMALL.stages[1], 0.5) for _ in range(2))
    assert lesson.sequences == again.sequences and np.array_equal(lesson.cells, again.cells)
    for sequence, start in zip(lesson.sequences, lesson.starts, strict=True):
        assert work.tokenizer.decode(sequence[:start]).endswith("<|im_start|>assistant\n")
        assert work.tokenizer.decode(sequence[start:]).startswith(("<think>", "<type>"))


def test_replies_box_the_truth_and_reason_from_what_is_there() -> None:
    scene = Scene((Thing("red", "circle", 0.2, 0.5, 0.1, 0.1), Thing("blue", "cross", 0.7, 0.5, 0.1, 0.1)))
    rng = np.random.default_rng(0)
    kinds: tuple[Kind, ...] = ("exists", "left", "more", "color")
    for kind in kinds:
        query = random_query(kind, scene, rng)
        assert query is not None
        text = reply(query, scene)
        seen, *facts = text.removeprefix("<think>").partition("</think>")[0].split(". ")
        assert seen == "red circle, blue cross"
        assert len(facts) == (1 if query.other is None else 2)
        digit = {"left": {"red circle": " 2", "blue cross": " 7"}}.get(kind, {})
        for noun, fact in zip([query.noun, query.other], facts, strict=False):
            assert noun is not None
            names = [f"{t.color} {t.shape}" for t in matching(noun, scene)]
            assert fact == (", ".join(name + digit.get(name, "") for name in names) or "no")
        assert extract_boxed(text) == answer(query, scene)


def test_digits_of_things_that_are_compared_differ_and_order_them() -> None:
    rng = np.random.default_rng(4)
    kinds: tuple[Kind, ...] = ("left", "right", "above", "below", "bigger", "smaller")
    for _ in range(600):
        scene = random_scene(rng, 2, sizes=(0.07, 0.24))
        kind = kinds[rng.integers(len(kinds))]
        query = random_query(kind, scene, rng)
        if query is not None:
            first, second = (int(digit) for digit in re.findall(r" (\d)\b", reply(query, scene)))
            larger = kind in ("right", "below", "bigger")
            assert answer(query, scene) == ("yes" if (first > second if larger else first < second) else "no")


def test_what_a_scene_does_not_settle_is_unknown() -> None:
    scene = Scene((Thing("red", "circle", 0.2, 0.5, 0.1, 0.1), Thing("blue", "circle", 0.7, 0.5, 0.1, 0.1)))
    assert reply(Query("color", Noun(None, "cross")), scene).endswith(". no</think>\\boxed{unknown}")
    twice = reply(Query("color", Noun(None, "circle")), scene)
    assert twice.endswith(". red circle, blue circle</think>\\boxed{unknown}")


def test_lessons_hold_as_many_questions_without_answer_as_asked_for(tmp_path: Path) -> None:
    work = Pretraining(SMALL, tmp_path)
    stage = replace(SMALL.stages[1], questions=6)
    lessons = [work.teacher.lesson(number, stage, 0.5) for number in range(100)]
    texts = [
        work.tokenizer.decode(sequence[start:])
        for lesson in lessons
        for sequence, start in zip(lesson.sequences, lesson.starts, strict=True)
    ]
    replies = [text for text in texts if text.startswith("<think>")]
    assert len(replies) == 600
    assert sum("unknown" in text for text in replies) / 600 == pytest.approx(stage.unknown, abs=0.06)


def test_cells_mark_what_lies_in_them() -> None:
    scene = Scene((Thing("teal", "rectangle", 0.25, 0.25, 0.125, 0.125),))
    marked = cells(scene).reshape(8, 8, 2)
    assert (marked[1:3, 1:3] == (COLORS.index("teal"), SHAPES.index("rectangle"))).all()
    assert (marked[4:, :, 0] == len(COLORS)).all() and (marked[4:, :, 1] == -100).all()


def test_lessons_never_show_an_unseen_pair() -> None:
    rng = np.random.default_rng(0)
    pairs = {(t.color, t.shape) for _ in range(300) for t in random_scene(rng, 3).things}
    assert len(pairs) == len(SEEN_PAIRS) == 29


@pytest.mark.parametrize("text", ["[]", "{", '{"speed": 1}', '{"stages": [{"name": "x"}]}', '{"stages": [1]}'])
def test_what_is_no_recipe_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"recipe\.json is no recipe") as error:
        read_recipe(file)
    assert "\n" not in str(error.value)
