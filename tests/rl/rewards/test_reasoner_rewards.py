"""Rewards of the Reasoner, on texts written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.rl.rewards.completion import format_score
from visplay.rl.rewards.reasoner.rewards import FormatReward, RandomReward, SilverReward
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
        (r"[THINK]two and one[/THINK] \boxed{3}", 1),
        (r"<think>so</think> <|begin_of_box|>3<|end_of_box|>", 1),
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


def said(text: str) -> Completion:
    return Completion("r", 0, (1,), (0.0,), text, True)


THREE = SilverItem(Question("q", ImageRef("p", b""), "open", "how many?"), "3", 1.0, ())


def rewards(weight: float, *texts: str) -> list[float]:
    return [SilverReward(format_weight=weight).reward(said(text), THREE, "k") for text in texts]


def test_the_boxed_answer_is_matched_with_the_silver_answer() -> None:
    assert rewards(0.0, r"\boxed{three}", r"\boxed{4}", "3", r"<think> \boxed{3}") == [1, 0, 0, 0]


def test_reward_weighs_accuracy_and_format() -> None:
    good, wrong, untidy = r"<think>.</think> \boxed{3}", r"<think>.</think> \boxed{4}", r"\boxed{2} \boxed{3}"
    assert rewards(0.0, good, wrong, untidy) == [1, 0, 1]
    assert rewards(0.1, good, wrong, untidy) == pytest.approx([1, 0.1, 0.9])
    assert rewards(1.0, good, wrong, untidy) == [1, 1, 0]
    with pytest.raises(ValueError, match="format_weight"):
        SilverReward(format_weight=1.5)


@given(st.floats(0, 1), st.sampled_from([r"\boxed{3}", r"<think> \boxed{three}", r"\boxed{4}", "3", ""]))
def test_rewards_are_shares(weight: float, text: str) -> None:
    assert FormatReward().reward(said(text), THREE, "k") == format_score(text)
    assert 0 <= rewards(weight, text)[0] <= 1


def test_the_random_control_knows_the_key_alone() -> None:
    drawn = [RandomReward().reward(said(r"\boxed{3}"), THREE, f"0/{n}") for n in range(1000)]
    assert drawn == [RandomReward().reward(said(""), THREE, f"0/{n}") for n in range(1000)]
    assert set(drawn) == {0.0, 1.0} and 440 < sum(drawn) < 560
