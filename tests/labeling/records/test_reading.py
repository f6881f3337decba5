"""Records as models write them: whole, broken, in words, and hostile."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.labeling.records.strategies import RECORDS
from visplay.lab.record import describe
from visplay.lab.scene import random_scene
from visplay.labeling.records.phrases import denies
from visplay.labeling.records.reading import read_record
from visplay.labeling.records.schema import RECORD, Chart, Diagram, Document, Record, Scene, Series, Thing

CAR = Thing(name="car", attributes={"color": "red"}, count=2, row=7)
SCENE = Scene(things=(CAR, Thing(name="tree", count="several")), absent=("dog",), complete=("car",))
JSON = SCENE.model_dump_json()
SOME = '{"kind": "scene", "things": [%s]}'


@given(RECORDS)
def test_what_is_written_as_json_is_read_back(record: Record) -> None:
    for text in (record.model_dump_json(), json.dumps(record.model_dump(mode="json"), indent=1)):
        reading = read_record(text)
        assert (reading.record, reading.form, reading.dropped) == (record, "clean", 0)


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{JSON}\n```",
        f"Here is the record:\n```\n{JSON}\n```\nI hope it helps.",
        f"\\boxed{{{JSON}}}",
        f"<think>A dog? No: {SOME % ''}</think>\n\n{JSON}",
        f"I think.</think>{JSON}<|im_end|>",
        f"The set {{a, b}} is not it. {JSON}",
        JSON.replace('"kind":"scene",', ""),
        JSON.replace('"scene"', '"Scene"').replace('"several"', '"many"').replace("2", '"two"'),
    ],
)
def test_a_record_is_found_where_models_put_it(text: str) -> None:
    reading = read_record(text)
    assert (reading.record, reading.form) == (SCENE, "clean")


@pytest.mark.parametrize(
    "text",
    [
        JSON.replace('"', "'"),
        JSON.replace("]}", "],}"),
        JSON.replace('"count":2,', '"count":2'),
        JSON.replace('"name"', "name"),
        JSON.replace('"row":7', '"row":7 /* of ten */'),
        JSON.replace("null", "None"),
        JSON.removesuffix("}"),
        re.sub('"([^"]*)"', r"“\1”", JSON),
    ],
)
def test_broken_json_is_repaired_and_lists_nothing_completely(text: str) -> None:
    reading = read_record(text)
    assert reading.form == "repaired"
    assert reading.record == SCENE.model_copy(update={"complete": ()})


def test_what_was_cut_off_is_not_half_read() -> None:
    text = '{"kind": "scene", "complete": ["car"], "things": [{"name": "car"}, {"name": "fire tr'
    reading = read_record(text, finished=False)
    assert (reading.record, reading.form) == (Scene(things=(Thing(name="car"),)), "repaired")
    cut = read_record("red car, blue trai", ("thing",), finished=False)
    assert cut.record == Scene(things=(Thing(name="car", attributes={"color": "red"}),))
    assert cut.form == "repaired"


@pytest.mark.parametrize(
    ("things", "kept", "dropped"),
    [
        ('{"name": "car", "row": 15}', ["car"], 1),
        ('{"row": 3}, {"name": "car"}', ["car"], 1),
        ('{"name": "", "row": 1}, {"name": "car"}, 5, null', ["car"], 3 + 1),
        ('{"name": "car", "attributes": {"color": ["red"]}}', ["car"], 1),
        ('{"name": ["a"]}, {"name": "car", "text": {"a": 1}}', ["car"], 3),
        ('{"name": "car", "size": NaN}', ["car"], 1),
        ('{"name": "\\ud800"}, {"name": "car"}', ["car"], 2),
        ('{"name": "car", "row": 1, "row": 2}', ["car"], 1),
    ],
)
def test_one_bad_value_does_not_lose_the_others(things: str, kept: list[str], dropped: int) -> None:
    reading = read_record(SOME % things)
    assert isinstance(reading.record, Scene) and reading.form == "repaired"
    assert [thing.name for thing in reading.record.things] == kept
    assert reading.record.things[0] == Thing(name="car")
    assert reading.dropped == dropped


def test_too_many_things_are_cut_and_then_nothing_is_complete() -> None:
    text = SOME % ", ".join(['{"name": "car"}'] * 130)
    reading = read_record(text.replace('"things"', '"complete": ["car"], "things"'))
    assert isinstance(reading.record, Scene)
    assert (len(reading.record.things), reading.record.complete, reading.dropped) == (100, (), 30)


@pytest.mark.parametrize(
    ("given_count", "count"),
    [
        ("2", 2), ('"2"', 2), ('"two"', 2), ("2.0", 2), ('"several"', "several"), ('"many"', "several"),
        ('"a few"', "several"), ("2.5", "several"), ("-1", "several"), ("true", "several"), ("5000", "several"),
        ("null", 1), ('"3-4"', "several"), ("[2]", "several"),
    ],
)  # fmt: skip
def test_a_count_that_is_no_number_is_several(given_count: str, count: object) -> None:
    reading = read_record(SOME % f'{{"name": "car", "count": {given_count}}}')
    assert reading.record == Scene(things=(Thing(name="car", count=count),))


def test_a_plural_without_a_number_is_several() -> None:
    assert read_record(SOME % '{"name": "Cars"}').record == Scene(things=(Thing(name="car", count="several"),))
    assert read_record(SOME % '{"name": "bus"}').record == Scene(things=(Thing(name="bus"),))


def test_what_is_denied_is_absent() -> None:
    things = '{"name": "car", "count": 0, "attributes": {"color": "red"}}, "no people", {"name": "dog"}'
    assert read_record(SOME % things).record == Scene(things=(Thing(name="dog"),), absent=("red car", "person"))


def test_what_is_named_and_denied_is_not_known() -> None:
    text = '{"things": [{"name": "car", "attributes": {"color": "red"}}, {"name": "dog"}], "absent": ["cars", "cat"]}'
    reading = read_record(text)
    assert reading.record == Scene(things=(Thing(name="dog"),), absent=("cat",))
    assert (reading.form, reading.dropped) == ("repaired", 1)
    assert read_record("a dog, no dogs, a cat").record == Scene(things=(Thing(name="cat"),))


def test_of_two_values_under_one_key_neither_is_trusted_and_lists_are_joined() -> None:
    fields = read_record('{"kind": "document", "fields": {"Total": "5", "Total": "7", "No": "3", "No": "3"}}')
    assert fields.record == Document(fields={"No": "3"})
    lists = read_record('{"things": [{"name": "car"}], "things": [{"name": "dog"}]}')
    assert lists.record == Scene(things=(Thing(name="car"), Thing(name="dog")))


def test_figures_and_cells_are_read_as_they_are_written() -> None:
    chart = read_record('{"kind": "chart", "series": [{"values": {"2019": "41%", "2020": "1,200", "x": "few"}}]}')
    assert chart.record == Chart(series=(Series(values={"2019": 41.0, "2020": 1200.0}),))
    table = read_record('{"kind": "document", "header": ["a", null], "rows": [["x", 1.5], [{}, "y"], 3]}')
    assert table.record == Document(header=("a", ""), rows=(("x", "1.5"), ("", "y"))), "cells stay in their columns"
    assert table.dropped == 3


def test_a_list_is_a_scene() -> None:
    for text in ('[{"name": "car"}]', '["car"]', '{"things": {"name": "car"}}'):
        assert read_record(text).record == Scene(things=(Thing(name="car"),))


@pytest.mark.parametrize(
    ("phrase", "things"),
    [
        ("red circle 3 7 2", [Thing(name="circle", attributes={"color": "red"}, row=3, column=7, size=2)]),
        ("small brown dog 4 5", [Thing(name="dog", attributes={"size": "small", "color": "brown"}, row=4, column=5)]),
        ("Grey bus 1", [Thing(name="bus", attributes={"color": "gray"}, row=1)]),
        ("two cars", [Thing(name="car", count=2)]),
        ("2 red cars 1 1 1", [Thing(name="car", count=2, attributes={"color": "red"}, row=1, column=1, size=1)]),
        ("many cars", [Thing(name="car", count="several")]),
        ("cars", [Thing(name="car", count="several")]),
        ("a car", [Thing(name="car")]),
        ("one car", [Thing(name="car")]),
        ("two sheep", [Thing(name="sheep", count="several")]),
        ("three-story building", [Thing(name="building", attributes={"kind": "three-story"})]),
        ("two story building", [Thing(name="building", attributes={"kind": "story"}, count="several")]),
        ("broken chair leg", [Thing(name="leg", attributes={"kind": "broken chair"})]),
        ("black and white cat", [Thing(name="cat", attributes={"color": "black and white"})]),
        ("two cats and a dog", [Thing(name="cat", count=2), Thing(name="dog")]),
        ("man with a red hat", [Thing(name="man"), Thing(name="hat", attributes={"color": "red"})]),
        ("man without a hat", [Thing(name="man")]),
        ("pair of shoes", [Thing(name="shoe", count=2)]),
        ("row of bottles", [Thing(name="bottle", count="several")]),
        ("two slices of pizza", [Thing(name="slice", count=2), Thing(name="pizza", count="several")]),
        ("- a cat\n2. two dogs\n", [Thing(name="cat"), Thing(name="dog", count=2)]),
        ("none", []),
    ],
)
def test_phrases_name_things(phrase: str, things: list[Thing]) -> None:
    reading = read_record(phrase, ("thing",))
    assert reading.record == Scene(things=tuple(things), complete=("thing",)) and reading.form == "clean"


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_labs_true_records_are_read_to_the_right_things(seed: int, number: int) -> None:
    scene = random_scene(np.random.default_rng(seed), number)
    reading = read_record(f"\\boxed{{{', '.join(map(describe, scene.things))}}}", ("thing",))
    assert reading.form == "clean" and isinstance(reading.record, Scene) and reading.record.complete == ("thing",)
    assert [(t.attributes["color"], t.name, t.row, t.column, t.size) for t in reading.record.things] == [
        (thing.color, thing.shape, thing.row, thing.column, thing.size) for thing in scene.things
    ]


@pytest.mark.parametrize(
    ("phrase", "absent"),
    [
        ("no people", ("person",)),
        ("0 horses", ("horse",)),
        ("no red cars", ("red car",)),
        ("no dog, no cat", ("dog", "cat")),
    ],
)
def test_phrases_deny_things(phrase: str, absent: tuple[str, ...]) -> None:
    assert read_record(phrase).record == Scene(absent=absent)


def test_a_phrase_that_cannot_be_read_leaves_the_others_and_makes_no_list_complete() -> None:
    reading = read_record("red car, there is also something else, no man with a hat, dog", ("thing",))
    assert reading.record == Scene(things=(Thing(name="car", attributes={"color": "red"}), Thing(name="dog")))
    assert (reading.form, reading.dropped) == ("repaired", 2)


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", "unknown", "I cannot see the image.", "The image shows a man riding a horse.", "<think>red car",
        "<think>" + JSON, "{}", "[]", "{\"a\": 1}", "...", "3 4 5", '{"kind": "map"}', '{"kind": 7}', "\\boxed{}",
        '{"kind": "scene", "things"', "null", "<facts>dog</facts>", "{" * 50 + '"a"',
    ],
)  # fmt: skip
def test_what_is_no_record_is_unreadable(text: str) -> None:
    reading = read_record(text, ("thing",))
    assert (reading.record, reading.form, reading.text) == (None, "unreadable", text)


def test_json_in_another_kind_keeps_what_it_lists() -> None:
    text = '{"kind": "diagram", "parts": [{"name": "side", "label": "AB", "value": "5 cm"}], "complete": ["side"]}'
    record = read_record(text).record
    assert isinstance(record, Diagram) and record.complete == ("side",)
    broken = read_record(text.replace('"AB",', '"AB"')).record
    assert isinstance(broken, Diagram) and broken.complete == () and broken.parts == record.parts


PIECES = [
    '{"kind": "scene", "things": [', '{"name": "car"}', '{"name": ', '"car"', ",", ":", "[", "]", "{", "}", "'", "“",
    '"', "\\", "\\boxed{", "```json", "<think>", "</think>", "\n", "null", "NaN", "1e999", "9" * 5000, "/*", "//", "#",
    "(", "\ud800", "\0", "no ", "two cars", " of ", " and ", "red circle 3 7 2", "é", "count", '"count": ', "none",
    '{"kind": "chart", "series": [', '{"kind": "document", "rows": [', "__import__('os').system('false')", "{}",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join), st.booleans())
def test_any_text_gives_a_record_or_none(text: str, finished: bool) -> None:
    reading = read_record(text, ("thing",), finished)
    assert (reading.record is None) == (reading.form == "unreadable")
    if reading.record is not None:
        assert RECORD.validate_json(reading.record.model_dump_json()) == reading.record
    if isinstance(reading.record, Scene):
        assert reading.form == "clean" or not reading.record.complete
        assert not any(
            denies(phrase, thing.name, thing.attributes)
            for phrase in reading.record.absent
            for thing in reading.record.things
        )


@pytest.mark.parametrize(
    "piece",
    [
        "{", "[", '"', "(", '{"a":', '{"x" ', "'", "{'a': 'it's', ", '{a b c "', '{"a": [1, 2, "', "car,", "1", "{},",
        "red car 1 2 3, ", " and ", " of ", "\\boxed{", "<think>", '{"name": "car"}, ', '{"name": 1 "x"}, ',
        '{"name": "car", ',
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", '{"kind": "scene", "things": [', '{"kind": "document", "fields": {"a": "'])
def test_the_time_does_not_grow_with_what_is_hostile(piece: str, before: str) -> None:
    start = time.perf_counter()
    read_record(before + piece * (200_000 // len(piece)))
    assert time.perf_counter() - start < 2
