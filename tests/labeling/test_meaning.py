"""What plain questions mean, whatever they are about; what is not plain is not guessed at."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.lab.language import TEMPLATES, Noun, Query, write
from visplay.lab.language import Kind as LabKind
from visplay.lab.questions import random_query, random_two_hop
from visplay.lab.scene import COLORS, SHAPES, random_scene
from visplay.labeling.language import OPPOSITES, Kind, Meaning, read_meaning

KINDS: dict[str, Kind] = {
    "color": "attribute", "shape": "which", "exists": "exists", "absent": "exists", "count": "count", "more": "more",
    "fewer": "more",
}  # fmt: skip
READ = sorted(TEMPLATES.keys() - {"half", "same color", "same shape", "record"})
nouns = st.builds(Noun, st.none() | st.sampled_from(COLORS), st.none() | st.sampled_from(SHAPES))


@st.composite
def queries(draw: st.DrawFn) -> Query:
    kind = draw(st.sampled_from(READ))
    if kind == "color":
        return Query(kind, Noun(None, draw(st.none() | st.sampled_from(SHAPES))))
    if kind == "shape":
        return Query(kind, Noun(draw(st.none() | st.sampled_from(COLORS)), None))
    one_noun = kind in ("exists", "absent", "count")
    return Query(kind, draw(nouns), None if one_noun else draw(nouns))


@given(queries(), st.integers(0, 99))
def test_every_plain_question_of_the_lab_is_read(query: Query, seed: int) -> None:
    text = write(query, np.random.default_rng(seed))
    meaning = read_meaning(text)
    assert meaning is not None
    asked = [noun for noun in (query.noun, query.other) if noun is not None]
    if query.kind == "fewer":
        asked.reverse()
    for noun, found in zip(asked, meaning.nouns, strict=True):
        assert found in (noun.words(), noun.words(neutral="object"))
    assert meaning.negated == (query.kind == "absent")
    if text.startswith("what is the shape of"):
        assert (meaning.kind, meaning.word) == ("attribute", "shape")
    else:
        assert meaning.kind == KINDS.get(query.kind, "relation")
    if meaning.kind == "relation":
        assert meaning.word.split()[0] == query.kind


@given(st.integers(0, 10**6))
def test_a_question_that_takes_more_than_one_step_is_not_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, 4)
    kinds: tuple[LabKind, ...] = ("half", "same color", "same shape", "record")
    asked = [random_two_hop(scene, rng), *(random_query(kind, scene, rng) for kind in kinds)]
    assert not any(read_meaning(write(query, rng)) for query in asked if query is not None)


@pytest.mark.parametrize(
    "question, meaning",
    [
        ("How many small dogs are there in the image?", Meaning("count", ("small dog",))),
        ("how many people can you see?", Meaning("count", ("person",))),
        ("What is the number of buses in the image?", Meaning("count", ("bus",))),
        ("is there a red car?", Meaning("exists", ("red car",))),
        ("Are there any women visible in the photo?", Meaning("exists", ("woman",))),
        ("Does the photo show an orange?", Meaning("exists", ("orange",))),
        ("are there no dogs?", Meaning("exists", ("dog",), negated=True)),
        ("What colour is the bus?", Meaning("attribute", ("bus",), word="color")),
        ("which color are the traffic lights", Meaning("attribute", ("traffic light",), word="color")),
        ("What's the material of the table in the image?", Meaning("attribute", ("table",), word="material")),
        ("is the dog left of the car?", Meaning("relation", ("dog", "car"), word="left of")),
        ("Is the cup to the left of the plate?", Meaning("relation", ("cup", "plate"), word="left of")),
        ("is the cat on the right side of the grey dog?", Meaning("relation", ("cat", "gray dog"), word="right of")),
        ("is the lamp larger than the chair?", Meaning("relation", ("lamp", "chair"), word="bigger than")),
        ("is the dog under the table?", Meaning("relation", ("dog", "table"), word="below")),
        ("are there more dogs than cats?", Meaning("more", ("dog", "cat"))),
        ("Are there fewer men than women in the image?", Meaning("more", ("woman", "man"))),
        ("what is the red shape?", Meaning("which", ("red shape",))),
        ("which animal is shown in the image?", Meaning("which", ("animal",))),
        ("What kind of vehicle is in the image?", Meaning("which", ("vehicle",))),
    ],
)
def test_plain_questions_about_anything(question: str, meaning: Meaning) -> None:
    assert read_meaning(question) == meaning


@pytest.mark.parametrize(
    "question",
    [
        "",
        "why is the dog there?",
        "is the dog happy?",
        "isn't there a dog?",
        "is there a dog on the table?",
        "is the cat on the left side of the image?",
        "is there a man wearing a hat?",
        "is there a dog and a cat?",
        "is there not no dog?",
        "are there two dogs?",
        "are there more than two dogs?",
        "how many of the dogs are brown?",
        "how many wheels does the car have?",
        "how many colors are there?",
        "what color is the red circle?",
        "what is the weather?",
        "what is the man holding?",
        "is there a red circle? is there a blue circle?",
        "What color is the bus? A. red B. blue",
        "is there a " + "very " * 50 + "red car?",
    ],
)
def test_what_is_not_plain_is_not_read(question: str) -> None:
    assert read_meaning(question) is None


@pytest.mark.parametrize("word", OPPOSITES)
def test_every_relation_is_read_and_turned_around(word: str) -> None:
    assert read_meaning(f"is the circle {word} the cross?") == Meaning("relation", ("circle", "cross"), word=word)
    assert OPPOSITES[OPPOSITES[word]] == word != OPPOSITES[word]


@given(st.text(max_size=300) | st.text("aeht -'isn?", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    meaning = read_meaning(text)
    assert meaning is None or all(meaning.nouns)


def test_reading_takes_no_time_on_hostile_texts() -> None:
    hostile = ["is the " + "a " * 96, "how many " + "a-" * 95, "is there " + "abc " * 47, "is the " + "a" * 180]
    began = time.perf_counter()
    for text in hostile * 25:
        read_meaning(text)
    assert time.perf_counter() - began < 1
