"""Pretraining in miniature: its lessons are true, it repeats, and it can be interrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from visplay.answers import extract_boxed
from visplay.config import ConfigError
from visplay.lab.language import Kind
from visplay.lab.oracle import answer
from visplay.lab.pretrain import Pretraining, Recipe, Stage, cells, pretrain, read_recipe, reply
from visplay.lab.questions import random_query
from visplay.lab.scene import COLORS, SHAPES, Scene, Thing, random_scene
from visplay.models.vlm import VLM

SMALL = Recipe(
    batch=2,
    warmup=1,
    stages=(
        Stage("eyes", whole=False, steps=2, horizon=4),
        Stage("words", whole=True, steps=3, horizon=3, questions=2, asks=1, foreign=0.5, spelled=True, negated=0.5),
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
    assert VLM.load(tmp_path / "whole" / "model", device="cpu").max_new_tokens == 40
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
    facts = {"exists": {"red circle", "blue cross", "no"}, "left": {"circle left cross", "cross right circle"}}
    kinds: tuple[Kind, ...] = ("exists", "left", "more", "color")
    for kind in kinds:
        query = random_query(kind, scene, rng)
        assert query is not None
        text = reply(query, scene, spelled=True)
        seen, _, fact = text.removeprefix("<think>").partition("</think>")[0].partition(". ")
        assert seen == "red circle, blue cross"
        assert fact in facts.get(kind, {fact})
        assert extract_boxed(text) == answer(query, scene)


def test_cells_mark_what_lies_in_them() -> None:
    scene = Scene((Thing("teal", "rectangle", 0.25, 0.25, 0.125, 0.125),))
    marked = cells(scene).reshape(8, 8, 2)
    assert (marked[1:3, 1:3] == (COLORS.index("teal"), SHAPES.index("rectangle"))).all()
    assert (marked[4:, :, 0] == len(COLORS)).all() and (marked[4:, :, 1] == -100).all()


def test_lessons_never_show_an_unseen_pair() -> None:
    rng = np.random.default_rng(0)
    pairs = {(t.color, t.shape) for _ in range(300) for t in random_scene(rng, 3).things}
    assert len(pairs) == 26


@pytest.mark.parametrize("text", ["[]", "{", '{"speed": 1}', '{"stages": [{"name": "x"}]}', '{"stages": [1]}'])
def test_what_is_no_recipe_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"recipe\.json is no recipe") as error:
        read_recipe(file)
    assert "\n" not in str(error.value)
