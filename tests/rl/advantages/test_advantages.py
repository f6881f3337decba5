"""Each estimator against its formula, and what all of them have in common."""

from __future__ import annotations

import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards
from visplay.interfaces.component import components
from visplay.rl.advantages.estimators import RLOO, BatchNorm, GroupNorm, MeanCentered
from visplay.rl.advantages.right_only import RightOnly
from visplay.rl.rewards.reasoner.rewards import SilverReward
from visplay.types import Completion, ImageRef, Question, SilverItem

REWARDS = st.lists(st.floats(-2, 2), min_size=2, max_size=10)
GROUPS = st.lists(REWARDS, min_size=1, max_size=5)


def estimated(
    estimator: AdvantageEstimator, rewards: list[float], baseline: tuple[float, float] | None = None
) -> tuple[float, ...]:
    (found,) = estimator.estimate([GroupRewards(tuple(rewards), baseline)])
    return found


@given(REWARDS)
def test_group_norm(rewards: list[float]) -> None:
    mean, deviation = statistics.fmean(rewards), statistics.stdev(rewards)
    expected = [(r - mean) / (deviation + 1e-6) for r in rewards]
    assert estimated(GroupNorm(), rewards) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=2, max_size=16))
def test_group_norm_has_the_numbers_of_torch(rewards: list[float]) -> None:
    rewards_G = torch.tensor(rewards, dtype=torch.float64)
    expected = ((rewards_G - rewards_G.mean()) / (rewards_G.std() + 1e-6)).float()
    found = torch.tensor(estimated(GroupNorm(), rewards))
    if len(set(rewards)) > 1:
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-15)


@given(REWARDS)
def test_mean_centered(rewards: list[float]) -> None:
    mean = statistics.fmean(rewards)
    assert estimated(MeanCentered(), rewards) == pytest.approx([r - mean for r in rewards], abs=1e-12)


@given(REWARDS)
def test_rloo(rewards: list[float]) -> None:
    """arXiv 2402.14740, equation 9, and its well-known multiple of the centred rewards."""
    others = [statistics.fmean([*rewards[:i], *rewards[i + 1 :]]) for i in range(len(rewards))]
    found = estimated(RLOO(), rewards)
    assert found == pytest.approx([r - other for r, other in zip(rewards, others, strict=True)], abs=1e-12)
    share = len(rewards) / (len(rewards) - 1)
    assert found == pytest.approx([share * a for a in estimated(MeanCentered(), rewards)], abs=1e-12)


@given(GROUPS)
def test_batch_norm(groups: list[list[float]]) -> None:
    deviation = statistics.stdev([r for rewards in groups for r in rewards])
    found = BatchNorm(epsilon=1e-3).estimate([GroupRewards(tuple(rewards)) for rewards in groups])
    for rewards, advantages in zip(groups, found, strict=True):
        mean = statistics.fmean(rewards)
        assert advantages == pytest.approx([(r - mean) / (deviation + 1e-3) for r in rewards], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", [name for name in components("advantages") if name != "right_only"])
@given(groups=GROUPS, reward=st.floats(-2, 2), size=st.integers(2, 10))
def test_equal_rewards_teach_exactly_nothing_and_the_rest_sums_to_zero(
    name: str, groups: list[list[float]], reward: float, size: int
) -> None:
    estimator = components("advantages")[name]()
    assert isinstance(estimator, AdvantageEstimator)
    *others, equal = estimator.estimate([GroupRewards(tuple(rewards)) for rewards in [*groups, [reward] * size]])
    assert set(equal) <= {0.0}
    assert [len(advantages) for advantages in others] == [len(rewards) for rewards in groups]
    assert all(sum(advantages) == pytest.approx(0, abs=1e-6) for advantages in others)


def test_equal_rewards_can_be_held_against_the_usual_ones() -> None:
    estimator = GroupNorm(epsilon=1e-300)
    assert estimated(estimator, [0.0] * 3, baseline=(0.5, 0.25)) == (-2.0,) * 3
    assert estimated(estimator, [1.0] * 3, baseline=(0.5, 0.25)) == (2.0,) * 3


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.01, 2), st.integers(2, 10))
def test_above_the_usual_is_worth_more_and_below_it_less(reward: float, mean: float, std: float, size: int) -> None:
    found = estimated(GroupNorm(), [reward] * size, baseline=(mean, std))
    assert found == pytest.approx([(reward - mean) / (std + 1e-6)] * size)
    assert not any(found) if reward == mean else all(a * (reward - mean) >= 0 for a in found)


@given(REWARDS.filter(lambda rewards: len(set(rewards)) > 1), st.floats(-2, 2), st.floats(0, 2))
def test_a_baseline_says_nothing_to_rewards_that_differ(rewards: list[float], mean: float, std: float) -> None:
    assert estimated(GroupNorm(), rewards, baseline=(mean, std)) == estimated(GroupNorm(), rewards)


def test_one_reward_has_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="at least two"):
        GroupRewards((1.0,))


@given(GROUPS, st.floats(0, 1))
def test_right_only(groups: list[list[float]], threshold: float) -> None:
    """Every completion by its own reward, whatever the others of its group."""
    found = RightOnly(threshold=threshold).estimate([GroupRewards(tuple(rewards), (0.0, 1.0)) for rewards in groups])
    assert found == [tuple(1.0 if reward > threshold else 0.0 for reward in rewards) for rewards in groups]


@pytest.mark.parametrize("format_weight", [0.0, 0.1])
def test_the_rewards_of_right_and_wrong_answers_are_on_either_side_of_the_threshold(format_weight: float) -> None:
    """A right answer with a wrong format, and a wrong answer with a right format."""
    silver = SilverReward(format_weight=format_weight)
    item = SilverItem(Question("q", ImageRef("p", b""), "open", "what color?"), "red", 1.0, ())
    texts = (r"\boxed{blue} \boxed{red}", r"\boxed{red}", r"\boxed{blue}", "red")
    rewards = [silver.reward(Completion("r", n, (1,), (0.0,), text, True), item, "") for n, text in enumerate(texts)]
    assert estimated(RightOnly(), rewards) == (1.0, 1.0, 0.0, 0.0)
