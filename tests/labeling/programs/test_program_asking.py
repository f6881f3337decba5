"""Programs are balanced, deterministic, and of the skills and hops that are asked for."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from visplay.lab.scene import ALL_PAIRS, random_scene
from visplay.labeling.programs.answering import answer
from visplay.labeling.programs.asking import programs
from visplay.labeling.programs.program import UNKNOWN, Program
from visplay.labeling.records.schema import Chart, Scene, Series, Thing


def scenes(count: int) -> list[Scene]:
    rng = np.random.default_rng(3)
    drawings = [random_scene(rng, int(rng.integers(2, 7)), ALL_PAIRS) for _ in range(count)]
    return [
        Scene(
            things=tuple(
                Thing(name=t.shape, attributes={"color": t.color}, row=t.row, column=t.column, size=t.size)
                for t in drawing.things
            ),
            complete=("thing",),
        )
        for drawing in drawings
    ]


SCENES = scenes(40)


def test_yes_and_no_are_equally_frequent_and_skills_too() -> None:
    asked = [one for place, scene in enumerate(SCENES) for one in programs(scene, np.random.default_rng(place), 8)]
    answers, skills = Counter(one.answer for one in asked), Counter(one.skill for one in asked)
    assert len(asked) == 8 * len(SCENES)
    assert abs(answers["yes"] - answers["no"]) <= 0.15 * (answers["yes"] + answers["no"])
    assert min(skills.values()) >= 0.5 * max(skills.values())
    assert max(answers[str(number)] for number in range(6)) <= 0.2 * len(asked)
    assert len({one.family for one in asked}) >= 35


def test_the_same_stream_gives_the_same_programs() -> None:
    first, again, other = (programs(SCENES[0], np.random.default_rng(seed), 8) for seed in (5, 5, 6))
    assert first == again != other


def test_skills_hops_and_families_are_kept_to() -> None:
    rng = np.random.default_rng(0)
    chosen = programs(SCENES[1], rng, 12, skills=("counting", "existence"), hops=(2,))
    assert {one.skill for one in chosen} == {"counting", "existence"} and {one.hops for one in chosen} == {2}
    assert {one.family for one in programs(SCENES[1], rng, 6, families=("more", "fewer"))} == {"more", "fewer"}


def test_options_hold_the_answer_and_others_of_the_record() -> None:
    chart = Chart(series=(Series(values={"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}),))
    listed = [one for one in programs(chart, np.random.default_rng(1), 20, options=1.0) if one.options]
    assert listed
    for one in listed:
        letter, _, text = one.answer.partition(". ")
        assert one.options["ABCD".index(letter)] == text
        assert one.type == "multiple choice" and len(set(one.options)) == len(one.options) <= 4
        assert {answer(wording, chart) for wording in one.wordings} == {one.answer}


@pytest.mark.parametrize("record", [Scene(things=(Thing(name="tree", count="several"),)), SCENES[2]])
def test_no_more_than_asked(record: Scene) -> None:
    assert len(programs(record, np.random.default_rng(0), 3)) <= 3


def test_false_premises_are_asked_only_if_they_are_named() -> None:
    everything = [
        one for place, scene in enumerate(SCENES) for one in programs(scene, np.random.default_rng(place), 40)
    ]
    assert "premise" not in {one.skill for one in everything}
    named = [
        one
        for place, scene in enumerate(SCENES)
        for one in programs(scene, np.random.default_rng(place), 8, families=("beside-nothing", "beside"))
    ]
    assert {one.family for one in named} == {"beside-nothing", "beside"}
    assert {one.answer for one in named if one.skill == "premise"} == {UNKNOWN}
    by_skill = [one for scene in SCENES for one in programs(scene, np.random.default_rng(0), 8, skills=("premise",))]
    assert {one.family for one in by_skill} == {"beside-nothing", "bigger-than-nothing"}
    assert all(answer(one.wordings[0], scene) is None for scene in SCENES for one in by_skill if _lacks(scene, one))


def _lacks(scene: Scene, program: Program) -> bool:
    return answer(program.wordings[0], scene, premises=True) == UNKNOWN


def test_silence_is_no_false_premise() -> None:
    car = Thing(name="car", attributes={"color": "red"}, row=1, column=1, size=5)
    question = "is the dog left of the car?"
    assert answer(question, Scene(things=(car,)), premises=True) is None
    assert answer(question, Scene(things=(car,), absent=("dog",)), premises=True) == UNKNOWN
    assert answer(question, Scene(things=(car,), absent=("dog",))) is None
    assert answer("what color is the dog?", Scene(things=(car,), complete=("thing",)), premises=True) == UNKNOWN
    assert answer("what color is the car?", Scene(things=(car,), complete=("thing",)), premises=True) == "red"
