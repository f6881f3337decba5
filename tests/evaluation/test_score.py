"""Marks: boxes, choices by letter and by text, and what counts as wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.evaluation.options import named_option
from visplay.evaluation.score import is_correct, score
from visplay.records import Completion, Item, Picture

PICTURE = Picture("p", b"")
COLOURS = ("red", "dark blue", "green")


def said(text: str, finished: bool = True) -> Completion:
    return Completion("r", 0, (), (), text, finished)


@pytest.mark.parametrize("reference", ["B", "(b)", "dark blue", "B. dark blue"])
@pytest.mark.parametrize("given", ["B", "b.", "(B)", "B. dark blue", "Dark  blue", "dark blue"])
def test_letter_and_text_of_a_choice_are_the_same(given: str, reference: str) -> None:
    assert is_correct(given, Item("i", PICTURE, "which?", reference, COLOURS))


@pytest.mark.parametrize("given", ["A", "C", "red", "D", "blue", "A. red", "B or C", "", "none"])
def test_other_answers_are_wrong(given: str) -> None:
    assert not is_correct(given, Item("i", PICTURE, "which?", "B", COLOURS))


def test_numbers_as_choices_are_told_apart() -> None:
    item = Item("i", PICTURE, "how many?", "3", ("12", "3", "120"))
    assert is_correct("B", item) and is_correct("3", item) and is_correct("three", item)
    assert not is_correct("12", item) and not is_correct("A", item) and not is_correct("3.4", item)


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=2, max_size=26, unique_by=lambda s: s.casefold()))
def test_every_choice_names_itself_or_an_equal_wording(choices: list[str]) -> None:
    for choice in choices:
        place = named_option(choice, choices)
        assert place is not None
        assert " ".join(choices[place].casefold().split()) == " ".join(choice.casefold().split())


def test_marks_keep_order_and_tell_why() -> None:
    items = [Item(name, PICTURE, "what colour?", "red") for name in ("a", "b", "c", "d")]
    completions = {
        "d": said("\\boxed{red"),
        "c": said("\\boxed{blue}"),
        "b": said("the answer is red", finished=False),
        "a": said("<think>so</think> \\boxed{Red}"),
    }
    marks = score(items, completions)
    assert [(m.item_id, m.given, m.correct, m.finished) for m in marks] == [
        ("a", "Red", True, True),
        ("b", None, False, False),
        ("c", "blue", False, True),
        ("d", None, False, True),
    ]


def test_an_item_without_completion_is_an_error() -> None:
    with pytest.raises(ValueError, match="item a has no completion"):
        score([Item("a", PICTURE, "what?", "red")], {})
