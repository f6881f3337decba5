"""Marks: boxes, choices by letter and by text, and what counts as wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.evaluation.grading import best, commonest, is_correct, named_option, score
from visplay.evaluation.results import Measurement
from visplay.types import Completion, ImageRef, Item

from .truth_table import said_aloud

PICTURE = ImageRef("p", b"")
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
        "d": [said("\\boxed{red")],
        "c": [said("\\boxed{blue}")],
        "b": [said("the answer is red", finished=False)],
        "a": [said("<think>so</think> \\boxed{Red}")],
    }
    marks = score(items, completions)
    assert [(m.item_id, m.given, m.correct, m.finished) for m in marks] == [
        ("a", "Red", True, True),
        ("b", None, False, False),
        ("c", "blue", False, True),
        ("d", None, False, True),
    ]


RED = Item("i", PICTURE, "what colour?", "red")
DRAWS = st.lists(st.sampled_from(["red", "Red", "blue", "green", None]), min_size=1, max_size=8)


@given(DRAWS)
def test_an_item_passes_when_any_draw_is_right_so_no_single_draw_does_better(draws: list[str | None]) -> None:
    completions = [said_aloud(draw) for draw in draws]
    [passed] = score([RED], {"i": completions}, best)
    singles = [score([RED], {"i": [completion]})[0] for completion in completions]
    assert passed.correct == any(single.correct for single in singles)
    wanted = [draw for draw in draws if draw in ("red", "Red")] or [draw for draw in draws if draw] or [None]
    assert passed.given == wanted[0]


@pytest.mark.parametrize("place", range(4))
def test_one_right_draw_passes_wherever_it_stands_and_is_no_majority(place: int) -> None:
    draws = ["blue", None, "blue"]
    draws.insert(place, "red")
    completions = {"i": [said_aloud(draw) for draw in draws]}
    assert [(m.given, m.correct, m.finished) for m in score([RED], completions, best)] == [("red", True, True)]
    assert [(m.given, m.correct, m.finished) for m in score([RED], completions, commonest)] == [("blue", False, True)]


@given(DRAWS)
def test_the_majority_is_one_of_the_draws_and_right_when_most_of_those_given_are(draws: list[str | None]) -> None:
    [mark] = score([RED], {"i": [said_aloud(draw) for draw in draws]}, commonest)
    boxed = [draw for draw in draws if draw]
    assert mark.given in (boxed or [None])
    if sum(draw in ("red", "Red") for draw in boxed) > len(boxed) / 2:
        assert mark.correct


@pytest.mark.parametrize(
    ("text", "reference", "declined"),
    [
        ("\\boxed{unknown}", "red", True),
        ("\\boxed{cannot be determined}", "red", True),
        ("The answer is unknown.", "red", True),
        ("\\boxed{blue} or unknown", "red", False),
        ("\\boxed{unknown}", "unknown", False),
        ("The answer is unknown.", "unknown", False),
        ("\\boxed{none}", "0", False),
        ("", "red", False),
    ],
)
def test_a_refusal_is_declined_unless_it_is_the_right_answer(text: str, reference: str, declined: bool) -> None:
    [mark] = score([Item("i", PICTURE, "what colour?", reference)], {"i": [said(text)]})
    assert mark.declined is declined and mark.image_id == "p"


def test_marks_of_old_files_know_what_was_declined_and_have_images_of_their_own(tmp_path: Path) -> None:
    rows = [
        {"item": "a", "given": "unknown"},
        {"item": "b", "given": "red", "correct": True},
        {"item": "c", "read": "unclear"},
    ]
    whole = {"given": None, "correct": False, "finished": True}
    lines = (json.dumps({"decoding": "greedy", "suite": "s", **whole, **row}) + "\n" for row in rows)
    (tmp_path / "old.jsonl").write_text("".join(lines))
    result = Measurement.load(tmp_path / "old.jsonl").greedy["s"]
    assert [mark.declined for mark in result.answered] == [True, False, True] and result.images() == {}
