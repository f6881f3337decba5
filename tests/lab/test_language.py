"""What the language writes it reads back, and it reads nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.lab.language import TEMPLATES, Noun, Query, question_type, read, write
from visplay.lab.scene import COLORS, SHAPES

nouns = st.builds(Noun, st.none() | st.sampled_from(COLORS), st.none() | st.sampled_from(SHAPES))
TWO_NOUNS = {"more", "left", "right", "above", "below", "bigger", "smaller"}


@st.composite
def queries(draw: st.DrawFn) -> Query:
    kind = draw(st.sampled_from(sorted(TEMPLATES)))
    if kind == "color":
        return Query(kind, Noun(None, draw(st.none() | st.sampled_from(SHAPES))))
    if kind == "shape":
        return Query(kind, Noun(draw(st.none() | st.sampled_from(COLORS)), None))
    return Query(kind, draw(nouns), draw(nouns) if kind in TWO_NOUNS else None)


@given(queries(), st.integers(0, 99))
def test_reading_undoes_writing(query: Query, seed: int) -> None:
    text = write(query, np.random.default_rng(seed))
    assert read(text) == query
    assert read(f"  {text.upper()} ") == query


def test_the_one_shape_may_be_asked_for_in_words_that_are_never_written() -> None:
    texts = {write(Query("shape", Noun()), np.random.default_rng(seed)) for seed in range(50)}
    assert "what is the shape?" not in texts
    assert read("what is the shape?") == Query("shape", Noun()) == read("What is the shape in the image?")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "what color is the red circle?",
        "what is the circle?",
        "is there a purple circle?",
        "is there a red circle",
        "how many circle are there?",
        "is the circle left of?",
        "is there a red circle? is there a blue circle?",
    ],
)
def test_what_is_not_in_the_language_is_not_read(text: str) -> None:
    assert read(text) is None


def test_types_follow_the_answer() -> None:
    assert question_type("color") == "open"
    assert question_type("count") == "numerical"
    assert question_type("left") == "multiple choice"


def test_the_language_understands_every_question_of_easy_vqa() -> None:
    import easy_vqa

    texts, _, _ = easy_vqa.get_test_questions()
    assert all(read(text) is not None for text in texts)
