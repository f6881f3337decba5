"""What the language writes it reads back, and it reads nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.evaluation.open_suites import open_suites
from visplay.lab.language import DIRECTIONS, DISTANCES, KINDS, TWO_HOP, Noun, Query, question_type, read, write
from visplay.lab.scene import COLORS, SHAPES

nouns = st.builds(Noun, st.none() | st.sampled_from(COLORS), st.none() | st.sampled_from(SHAPES))
TWO_NOUNS = {"more", "fewer", "left", "right", "above", "below", "bigger", "smaller", "same color", "same shape"}


@st.composite
def queries(draw: st.DrawFn) -> Query:
    kind = draw(st.sampled_from(KINDS))
    noun = draw(nouns)
    if kind in ("color", "shape"):
        # A question does not contain its answer.
        noun = Noun(None, noun.shape) if kind == "color" else Noun(noun.color, None)
    if kind in TWO_HOP and draw(st.booleans()):
        return Query(kind, noun, draw(nouns), draw(st.sampled_from(DIRECTIONS + DISTANCES)))
    return Query(
        kind,
        noun,
        draw(nouns) if kind in TWO_NOUNS else None,
        draw(st.sampled_from(DIRECTIONS)) if kind == "half" else None,
    )


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
        "what color is the red circle left of the cross?",
        "what color is the circle beside the cross?",
        "is the circle on the top side of the image?",
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


def test_the_language_understands_every_question_of_sort_of_clevr() -> None:
    (suite, _) = open_suites(["sort_of_clevr"], seed=0, items_per_suite=200)
    assert all(read(item.question) is not None for item in suite.items)
