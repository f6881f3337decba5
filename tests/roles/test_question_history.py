"""The history of questions: shares of repeated questions, the baseline of rewards, and what is forgotten."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.roles.questioner import QuestionHistory

COLOR, PARAPHRASE = "what color is the big circle?", "what color is the big circle here?"
COUNT = "how many dogs are there?"
TEXTS = st.lists(st.text("ab ?", max_size=12), max_size=6)


def filled(size: int, *asked: tuple[str, float]) -> QuestionHistory:
    memory = QuestionHistory(size, 0.5)
    memory.add(asked)
    return memory


def test_what_was_asked_is_told_by_its_share() -> None:
    memory = filled(8, (COLOR, 0.5), (COUNT, 0.25), (COUNT, 0.5), ("why?", 0.0))
    assert memory.shares([COLOR, PARAPHRASE, COUNT, "why?", "who?"]) == [0.25, 0.25, 0.5, 0.25, 0.0]
    assert memory.shares([]) == []


def test_nothing_was_asked_of_an_empty_memory() -> None:
    assert QuestionHistory(8, 0.5).shares([COLOR, COUNT]) == [0.0, 0.0]
    assert QuestionHistory(8, 0.5).baseline() is None


def test_the_oldest_are_forgotten() -> None:
    memory = filled(3, (COLOR, 1.0), (COUNT, 0.5))
    memory.add([("who is it?", 0.25), ("where is that?", 0.0)])
    assert memory.shares([COLOR, COUNT]) == [0.0, pytest.approx(1 / 3)]
    assert memory.baseline() == (0.25, pytest.approx((1 / 24) ** 0.5))
    memory.add([(COLOR, 1.0)] * 9)
    assert memory.shares([COLOR, COUNT]) == [1.0, 0.0]


def test_a_memory_of_no_size_keeps_nothing() -> None:
    memory = filled(0, (COLOR, 1.0), (COUNT, 0.5))
    assert memory.state() == QuestionHistory(0, 0.5).state()
    assert memory.shares([COLOR]) == [0.0] and memory.baseline() is None


def test_rewards_that_are_all_the_same_say_nothing_about_what_is_usual() -> None:
    assert filled(8, (COLOR, 0.5), (COUNT, 0.5)).baseline() is None
    assert filled(8, (COLOR, 0.25), (COUNT, 0.75)).baseline() == (0.5, 0.25)


@given(st.lists(st.tuples(st.text("ab ?", max_size=12), st.floats(-1, 1)), max_size=12), TEXTS, st.integers(0, 8))
def test_a_memory_goes_on_from_its_state(asked: list[tuple[str, float]], texts: list[str], size: int) -> None:
    memory, again = filled(size, *asked), QuestionHistory(size, 0.5)
    again.restore(json.loads(json.dumps(memory.state())))
    for one in (memory, again):
        one.add([(COLOR, 0.5)])
    assert (again.shares(texts), again.baseline(), again.state()) == (
        memory.shares(texts),
        memory.baseline(),
        memory.state(),
    )


@given(TEXTS, TEXTS)
def test_a_share_is_a_share_and_at_least_that_of_the_same_words(remembered: list[str], texts: list[str]) -> None:
    shares = filled(8, *((text, 0.0) for text in remembered)).shares(texts)
    assert len(shares) == len(texts)
    for text, share in zip(texts, shares, strict=True):
        assert remembered.count(text) <= round(share * len(remembered)) <= len(remembered)
