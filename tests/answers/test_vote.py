"""The majority: forms of one answer together, and no box no vote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.answers import counted, match, vote


def test_forms_of_one_answer_vote_together() -> None:
    assert vote(["A", "A. red", "(a)", "B"]) == ("A", 0.75, 0)
    assert vote(["4", "3 cats", "three", "4.0", "3"]) == ("3 cats", 0.6, 0)


def test_no_box_no_vote() -> None:
    assert vote([None, None, None, "3"]) == ("3", 0.25, 3)
    assert vote([None, "None", None]) == ("None", 1 / 3, 2)
    assert vote(["", "  ", "red"]) == ("red", 1 / 3, 2)
    assert vote([None, None]) == (None, 0.0, 2)
    assert vote([]) == (None, 0.0, 0)


def test_ties_go_to_the_first_seen() -> None:
    assert vote(["red", "blue"]) == ("red", 0.5, 0)
    assert vote([None, "blue", "red", "red", "blue"])[0] == "blue"


def test_answer_is_the_commonest_writing() -> None:
    assert vote(["on the left", "left", "Left", "left"])[0] == "left"


def test_an_unsaid_unit_joins_but_does_not_bridge() -> None:
    assert vote(["5", "5", "5 cm", "5 m", "5 m"]) == ("5", 0.8, 0)
    answer, confidence, _ = vote(["5 cm", "5 m", "5", "5 cm"])
    assert (answer, confidence) == ("5 cm", 0.75)


ANSWERS = st.lists(st.none() | st.sampled_from(["A", "(a)", "B", "3", "three", "3 cats", "3 dogs", "left", "yes", ""]))


@given(ANSWERS)
def test_confidence_is_a_share_of_all_votes(answers: list[str | None]) -> None:
    answer, confidence, unboxed = vote(answers)
    assert unboxed == sum(not given for given in answers)
    if answer is None:
        assert (confidence, unboxed) == (0.0, len(answers))
        return
    assert answer in answers
    agreeing = sum(bool(given) and match(str(given), answer) for given in answers)
    identical = sum(given == answer for given in answers)
    assert identical <= round(confidence * len(answers)) <= agreeing


@given(ANSWERS, st.integers(1, 5))
def test_more_unboxed_votes_only_dilute(answers: list[str | None], more: int) -> None:
    answer, confidence, unboxed = vote(answers)
    again = vote([*answers, *[None] * more])
    assert (again[0], again[2]) == (answer, unboxed + more)
    assert again[1] * (len(answers) + more) == pytest.approx(confidence * len(answers))


def test_answers_that_say_the_same_are_counted_together() -> None:
    assert [count for _, count in counted(["3", "three cats", None, "four", "3 cats", "!!", "!!", None])] == [3, 2, 1]
    assert counted([None]) == []


@given(ANSWERS)
def test_every_answer_is_counted_and_the_majority_first(answers: list[str | None]) -> None:
    found = counted(answers)
    assert sum(count for _, count in found) == sum(bool(given) for given in answers)
    assert vote(answers)[0] is None or found[0][1] >= round(vote(answers)[1] * len(answers))
