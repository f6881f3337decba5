"""Lists leave things out: silence is never "no", nor a number, and nothing follows from a word that is not known."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.answers import match
from visplay.labeling.labelers.facts import answer_from, has_false_presupposition
from visplay.labeling.language import colors_of, names, read_meaning
from visplay.labeling.lists import Listed, read_list

CASES = [
    json.loads(line)
    for name in ("seen_lists", "more_lists")
    for line in Path(__file__).with_name("cases").joinpath(f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
]
NOUNS = ("dog", "car", "person", "hat", "sign", "glass", "sofa", "tree", "bottle", "red car", "stop sign")


def computed(seen: str, question: str) -> str | None:
    meaning = read_meaning(question)
    return answer_from([part.strip() for part in seen.split(",")], meaning) if meaning else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['seen']} / {case['question']}")
def test_no_true_answer_is_contradicted_and_no_false_one_confirmed(case: dict[str, str]) -> None:
    answer = computed(case["seen"], case["question"])
    assert answer is None or (match(answer, case["true"]) and not match(answer, case["false"]))


@pytest.mark.parametrize(
    "seen, question, answer",
    [
        ("two cars, three people", "How many cars are there?", "2"),
        ("four blue bars, two orange bars", "Are there more blue bars than orange bars?", "yes"),
        ("no cars, two dogs", "Are there more dogs than cars?", "yes"),
        ("no people, street", "How many people are there?", "0"),
        ("street, no traffic lights", "Is there a traffic light?", "no"),
        ("street, no traffic lights", "Is there a red traffic light?", "no"),
        ("man riding bicycle", "Is there a bicycle?", "yes"),
        ("woman sitting on bench", "Is there a person?", "yes"),
        ("young woman, dog", "Is there a woman?", "yes"),
        ("old red truck, tree", "What color is the truck?", "red"),
        ("glass of wine", "Is there wine?", "yes"),
        ("group of people", "Is there a person?", "yes"),
        ("no parking sign", "Is there a sign?", None),
    ],
)
def test_what_a_list_says_plainly_follows_from_it(seen: str, question: str, answer: str | None) -> None:
    assert computed(seen, question) == answer


listed = st.lists(st.sampled_from([*NOUNS, "some trees", "two dogs", "red hat", "people", "mug", "thing"]), max_size=5)


@given(listed, st.sampled_from(NOUNS))
def test_silence_is_neither_no_nor_a_number(facts: list[str], noun: str) -> None:
    exists, count, color = (
        read_meaning(text)
        for text in (f"is there a {noun}?", f"how many {noun}s are there?", f"is the {noun} left of it?")
    )
    assert exists is not None and answer_from(facts, exists) in (None, "yes")
    assert count is None or answer_from(facts, count) in (None, "2")
    assert color is None or has_false_presupposition(facts, color) is None


@given(listed, listed, st.sampled_from(NOUNS))
def test_more_that_is_listed_never_takes_a_yes_back(facts: list[str], more: list[str], noun: str) -> None:
    meaning = read_meaning(f"is there a {noun}?")
    assert meaning is not None
    if answer_from(facts, meaning) == "yes":
        assert answer_from([*facts, *more], meaning) == "yes"


@given(st.text(max_size=60) | st.text("ano oftwdgcr-',123 ", max_size=60))
def test_any_list_is_read(text: str) -> None:
    assert all(thing.phrase and (thing.number is None or thing.number > 0) for thing in read_list([text]).things)


@given(st.sampled_from(NOUNS), st.sampled_from(["toy", "stuffed", "stone", "chocolate", "model", "hot", "teddy"]))
def test_a_word_that_is_no_plain_adjective_may_make_another_thing_of_it(noun: str, word: str) -> None:
    assert names(noun.split()[-1], f"{word} {noun}") is None


def test_names_that_exclude_one_another_do_so_both_ways() -> None:
    for one, other in product(NOUNS, NOUNS):
        assert (names(one, other) is False) == (names(other, one) is False), (one, other)


@pytest.mark.parametrize(
    "noun, phrase, named",
    [
        ("sofa", "couch", None),
        ("car", "silver sedan", None),
        ("bear", "teddy bear", None),
        ("panda", "red panda", None),
        ("cup", "coffee cup", None),
        ("coffee cup", "cup", None),
        ("chair", "broken chair leg", None),
        ("chair", "broken chair", True),
        ("truck", "fire truck", None),
        ("fire truck", "big fire truck", True),
        ("dog", "cat", False),
        ("man", "woman", False),
        ("man", "driver", None),
        ("person", "driver", True),
        ("gray car", "silver car", None),
        ("red car", "dark blue car", False),
        ("blue car", "dark blue car", True),
        ("red bus", "red and white bus", None),
        ("hat", "man's hat", True),
        ("rectangle", "square", None),
        ("triangle", "square", False),
    ],
)
def test_what_a_noun_names_where_words_are_open(noun: str, phrase: str, named: bool | None) -> None:
    assert names(noun, phrase) is named


def test_colours_are_those_that_a_phrase_states() -> None:
    assert colors_of("red and white bus") == {"red", "white"}
    assert colors_of("orange tree") == colors_of("orange") == frozenset()


@pytest.mark.parametrize(
    "text, things, absent",
    [
        ("Three dogs", [("dogs", 3)], []),
        ("pair of shoes", [("shoes", 2)], []),
        ("dozen eggs", [("eggs", 12)], []),
        ("three-story building", [("three-story building", 1)], []),
        ("2 story house", [("story house", None)], []),
        ("row of bottles", [("bottles", None)], []),
        ("two slices of pizza", [("slices", 2), ("pizza", None)], []),
        ("statue of a man", [("statue", 1), ("thing", None)], []),
        ("man with a red hat", [("man", 1), ("red hat", 1)], []),
        ("man wearing red hat and blue shirt", [("man", 1), ("red hat", 1), ("blue shirt", 1)], []),
        ("black and white cat", [("black white cat", 1)], []),
        ("woman in black", [("woman", 1)], []),
        ("car without wheels", [("car", 1)], []),
        ("no people", [], ["person"]),
        ("no people or cars", [], ["person", "car"]),
        ("no dogs on the left", [], []),
        ("maybe a dog", [("thing", None)], []),
    ],
)
def test_a_phrase_of_a_list_gives_its_things(
    text: str, things: list[tuple[str, int | None]], absent: list[str]
) -> None:
    found = read_list([text])
    assert [(thing.phrase, thing.number) for thing in found.things] == things and list(found.absent) == absent


def test_a_number_that_is_written_is_told_from_one_that_is_not() -> None:
    assert read_list(["two dogs", "cat"]).things == (Listed("dogs", 2, written=True), Listed("cat", 1))
