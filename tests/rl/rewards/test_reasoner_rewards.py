from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.rl.rewards import soft_reward
from visplay.rl.rewards.accuracy import accuracy, reasoner_reward
from visplay.rl.rewards.validity import format_score


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


@pytest.mark.parametrize(
    ("text", "earned"),
    [
        (r"\boxed{3}", 0.5),
        (r"<think>not \boxed{4}</think> \boxed{three}", 0.5),
        (r"\boxed{4}", 0.125),
        (r"\boxed{5}", 0.0),
        (r"\boxed{unknown}", 0.125),
        (r"\boxed{None}", 0.0),
        ("3", 0.0),
    ],
)
def test_a_soft_reward_is_the_share_of_all_votes_that_agree(text: str, earned: float) -> None:
    votes = ["3", "3 cats", "three", "3", "4", "unknown", None, None]
    assert soft_reward(text, votes) == earned


@given(st.lists(st.none() | st.sampled_from(["red", "blue", "3", "yes"]), min_size=1), st.text(max_size=50))
def test_soft_rewards_of_different_answers_share_out_the_votes(votes: list[str | None], text: str) -> None:
    earned = [soft_reward(f"\\boxed{{{answer}}}", votes) for answer in ("red", "blue", "3", "yes")]
    assert sum(earned) == pytest.approx(sum(vote is not None for vote in votes) / len(votes))
    assert 0 <= soft_reward(text, votes) <= 1
