"""Pretraining in miniature: its lessons are true, it repeats, and it can be interrupted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.pretrain.lessons import Lesson, Stage, cells, reply
from scripts.pretrain.training import Pretraining, Recipe, pretrain, read_recipe
from visplay.answers import extract_boxed
from visplay.errors import ConfigError
from visplay.lab.draw import STYLES, draw, mixed
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


def test_what_a_thought_deduces_weighs_as_much_as_asked_for(tmp_path: Path) -> None:
    work = Pretraining(SMALL, tmp_path)
    stage = replace(SMALL.stages[1], questions=6, taught=1.0, answer_weight=5.0, deduced_weight=3.0)
    for lesson in (work.teacher.lesson(number, stage, 0.5) for number in range(20)):
        for sequence, start, weight in zip(lesson.sequences, lesson.starts, lesson.weights, strict=True):
            text = "".join(f"{work.tokenizer.decode(i)}@{w:.0f}" for i, w in zip(sequence[start:], weight, strict=True))
            if text.startswith("<think>"):
                listed, deduced = text.split(".@1", 1)
                thought, answered = deduced.split("</think>", 1)
                assert set(re.findall(r"@(\d)", listed)) == {"1"}
                assert re.findall(r"@(\d)", thought)[-1] == "3"  # with two hops the first is in the first segment
                assert set(re.findall(r"@(\d)", answered)) == {"5"}


def test_questions_about_several_things_are_as_many_as_asked_for(tmp_path: Path) -> None:
    work = Pretraining(SMALL, tmp_path)

    def share(focused: float) -> float:
        stage = replace(SMALL.stages[1], questions=6, asks=0, unknown=0.0, focused=focused)
        texts = [
            work.tokenizer.decode(sequence).split("<|vision_end|>")[1].split("<|im_end|>")[0]
            for number in range(60)
            for sequence in work.teacher.lesson(number, stage, 0.5).sequences
        ]
        queries = [read(text) for text in texts]
        assert None not in queries
        return float(
            np.mean([query is not None and (query.other is not None or query.kind == "count") for query in queries])
        )

    assert share(1.0) == 1.0 > share(0.0) + 0.3
    counts = replace(SMALL.stages[1], asks=0, unknown=0.0, focused=1.0, focus=("count",))
    lesson = work.teacher.lesson(0, counts, 0.5)
    assert all("how many" in work.tokenizer.decode(sequence) for sequence in lesson.sequences)


def test_with_the_vision_tower_fixed_only_the_language_model_learns(tmp_path: Path) -> None:
    fixed = replace(SMALL, stages=(replace(SMALL.stages[1], vision=False),))
    before = {name: weight.clone() for name, weight in Pretraining(fixed, tmp_path / "new").model.state_dict().items()}
    pretrain(tmp_path / "run", fixed)
    after = weights(tmp_path / "run")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and not any(".visual." in name for name in changed)


def test_wide_drawings_are_darker_lighter_and_noisier_and_still_no_other_style() -> None:
    rng = np.random.default_rng(0)
    clean, wide = STYLES["clean"], [mixed(STYLES["clean"], rng, wide=True) for _ in range(100)]
    assert all(style.ground[0] < clean.ground[0] and clean.ground[1] < style.ground[1] for style in wide)
    assert all(style.ground[1] < STYLES["pastel"].ground[0] and style.noise < STYLES["noisy"].noise for style in wide)
    assert not any(style.turned or style.texture or style.pure for style in wide)
    assert max(style.noise for style in wide) > 10 and max(style.slope for style in wide) > 30
    dark = draw(Scene(()), replace(clean, ground=(100.0, 100.0), tint=0.0, slope=40.0), rng)
    pixels = np.asarray(dark, dtype=float)
    assert 25 < pixels.max() - pixels.min() < 60 and abs(pixels.mean() - 100) < 2
