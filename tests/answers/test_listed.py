"""Options in the text of a question: found, shown in another order, and answers brought back to its letters."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.answers import listed_options, match

COLOURS = ("red", "blue", "light green")
WRITINGS = (
    "Which? A. {} B. {} C. {}",
    "Which?\n(A) {}\n(B) {}\n(C) {}",
    "Which? A) {}, B) {}, or C) {}?",
    "Which one is it? A: {}; B: {}; C: {}.",
    "Which? Options: (A) {} (B) {} (C) {} Look closely.",
)


@pytest.mark.parametrize("writing", WRITINGS[:-1])
def test_options_change_places_and_the_text_around_them_stays(writing: str) -> None:
    options = listed_options(writing.format(*COLOURS))
    assert options is not None and options.texts == COLOURS and options.letters == "ABC"
    assert options.in_order((0, 1, 2)) == writing.format(*COLOURS)
    assert options.in_order((2, 0, 1)) == writing.format("light green", "red", "blue")


@pytest.mark.parametrize(
    "question",
    [
        "is it red?",
        "is it vitamin C?",
        "Which? A. red",
        "Which? B. red C. blue",
        "Which? A. red B. red",
        "Which? A. red B. blue C. all of the above",
        "Which? A. red B. blue C. both A and B",
        "Which? A. B. C.",
        "",
    ],
)
def test_what_lists_no_options_that_can_change_places(question: str) -> None:
    assert listed_options(question) is None


@pytest.mark.parametrize(
    ("answer", "brought_back"),
    [
        ("A", "C. light green"),
        ("(b)", "A. red"),
        ("C. blue", "B. blue"),
        ("The answer is C", "B. blue"),
        ("red", "A. red"),
        ("Light green.", "C. light green"),
        ("A, B", "A, C"),
        ("A. red", "C. red"),
        ("D", "D"),
        ("yellow", "yellow"),
        ("none of them", "none of them"),
    ],
)
def test_an_answer_is_brought_back(answer: str, brought_back: str) -> None:
    options = listed_options("Which? A. red B. blue C. light green")
    assert options is not None
    assert options.brought_back(answer, (2, 0, 1)) == brought_back


@given(st.permutations(range(4)), st.integers(0, 3), st.booleans())
def test_letter_and_text_of_an_option_mean_the_same_in_any_order(order: list[int], wanted: int, lettered: bool) -> None:
    options = listed_options("Which? A. 3 cm B. 4 cm C. B D. 12 kg")
    assert options is not None
    shown = options.letters[order.index(wanted)]
    answer = shown if lettered else f"{shown}. {options.texts[wanted]}"
    assert match(options.brought_back(answer, order), options.letters[wanted])


@pytest.mark.parametrize("unit", ["A. ", "(A) ", "A. x B. y ", "and ", ", ", " \n", "A."])
def test_a_long_question_takes_no_long_time(unit: str) -> None:
    begun = time.process_time()
    for length in (3000, 300_000):
        listed_options("Which? A. " + unit * (length // len(unit)) + " B. blue")
    assert time.process_time() - begun < 2
