"""Rewards of the Reasoner, on texts written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.rl.rewards.accuracy import accuracy, reasoner_reward
from visplay.rl.rewards.reasoner.format import FormatReward
from visplay.rl.rewards.reasoner.random import RandomReward
from visplay.rl.rewards.reasoner.silver import SilverReward
from visplay.rl.rewards.validity import format_score
from visplay.types import Completion, ImageRef, Question, SilverItem


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (r"<think>two and one</think> \boxed{3}", 1),
        (r"<think>maybe \boxed{2}</think> \boxed{3}", 1),
        (r"two and one</think> \boxed{3}", 1),
        (r"It is \boxed{3}.", 1),
        (r"<think>two and one \boxed{3}", 0),
        (r"<think>\boxed{3}</think>", 0),
        (r"<think>a</think><think>b</think> \boxed{3}", 0),
        (r"</think> <think> \boxed{3}", 0),
        (r"\boxed{3} \boxed{4}", 0),
        (r"\boxed{ }", 0),
        (r"\boxed{3", 0),
        ("3", 0),
        ("", 0),
    ],
)
def test_format(text: str, score: float) -> None:
    assert format_score(text) == score


def test_accuracy() -> None:
    assert accuracy("3 cats", "three") == 1.0
    assert accuracy("4", "three") == 0.0
    assert accuracy(None, "None") == 0.0


def test_reward_weighs_accuracy_and_format() -> None:
    good, wrong, untidy = r"<think>.</think> \boxed{3}", r"<think>.</think> \boxed{4}", r"<think> \boxed{3}"
    assert [reasoner_reward(text, "3") for text in (good, wrong, untidy)] == [1, 0, 1]
    assert [reasoner_reward(text, "3", 0.1) for text in (good, wrong, untidy)] == pytest.approx([1, 0.1, 0.9])
    assert [reasoner_reward(text, "3", 1.0) for text in (good, wrong, untidy)] == [1, 1, 0]
    with pytest.raises(ValueError, match="format_weight"):
        reasoner_reward(good, "3", 1.5)


def said(text: str) -> Completion:
    return Completion("r", 0, (1,), (0.0,), text, True)


THREE = SilverItem(Question("q", ImageRef("p", b""), "open", "how many?"), "3", 1.0, ())


@given(st.floats(0, 1), st.sampled_from([r"\boxed{3}", r"<think> \boxed{three}", r"\boxed{4}", "3", ""]))
def test_the_components_are_the_functions(weight: float, text: str) -> None:
    assert SilverReward(format_weight=weight).reward(said(text), THREE, "k") == reasoner_reward(text, "3", weight)
    assert FormatReward().reward(said(text), THREE, "k") == format_score(text)
    assert 0 <= SilverReward(format_weight=weight).reward(said(text), THREE, "k") <= 1


def test_the_random_control_knows_the_key_alone() -> None:
    drawn = [RandomReward().reward(said(r"\boxed{3}"), THREE, f"0/{n}") for n in range(1000)]
    assert drawn == [RandomReward().reward(said(""), THREE, f"0/{n}") for n in range(1000)]
    assert set(drawn) == {0.0, 1.0} and 440 < sum(drawn) < 560
