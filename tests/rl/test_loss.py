"""Advantages and the loss against their formulas, token by token in double precision."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from visplay.rl.loss import Normalisation, advantages, grpo_loss, importance_weights, token_weights

REWARDS = st.lists(st.floats(-2, 2), min_size=2, max_size=10)


@given(REWARDS)
def test_advantages_follow_the_formula(rewards: list[float]) -> None:
    mean, deviation = statistics.fmean(rewards), statistics.stdev(rewards)
    expected = torch.tensor([(r - mean) / (deviation + 1e-6) for r in rewards])
    torch.testing.assert_close(advantages(rewards, 1e-6), expected, rtol=1e-4, atol=1e-4)


@given(st.floats(-2, 2), st.integers(2, 10))
def test_equal_rewards_teach_exactly_nothing(reward: float, size: int) -> None:
    assert not advantages([reward] * size, 1e-6).any()


def test_equal_rewards_can_be_held_against_the_usual_ones() -> None:
    assert advantages([0.0] * 3, 0.0, baseline=(0.5, 0.25)).tolist() == [-2.0] * 3
    assert advantages([1.0] * 3, 0.0, baseline=(0.5, 0.25)).tolist() == [2.0] * 3
    assert torch.equal(advantages([0.0, 1.0], 0.0, baseline=(9.0, 1.0)), advantages([0.0, 1.0], 0.0))


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.01, 2), st.integers(2, 10))
def test_above_the_usual_is_worth_more_and_below_it_less(reward: float, mean: float, std: float, size: int) -> None:
    found = advantages([reward] * size, 1e-6, baseline=(mean, std))
    assert found.dtype == torch.float32 and found.tolist() == pytest.approx([(reward - mean) / (std + 1e-6)] * size)
    assert not found.any() if reward == mean else all(a * (reward - mean) >= 0 for a in found.tolist())


@given(REWARDS.filter(lambda rewards: len(set(rewards)) > 1), st.floats(-2, 2), st.floats(0, 2))
def test_what_is_usual_says_nothing_to_rewards_that_differ(rewards: list[float], mean: float, std: float) -> None:
    assert torch.equal(advantages(rewards, 1e-6, baseline=(mean, std)), advantages(rewards, 1e-6))


def test_one_reward_has_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="at least two"):
        advantages([1.0], 1e-6)


@pytest.mark.parametrize("normalisation", ["grpo", "dapo", "dr_grpo"])
def test_weights_of_a_batch(normalisation: Normalisation) -> None:
    lengths = torch.tensor([1, 4, 10])
    expected = {"grpo": [1 / 3, 1 / 12, 1 / 30], "dapo": [1 / 15] * 3, "dr_grpo": [1 / 60] * 3}[normalisation]
    torch.testing.assert_close(token_weights(lengths, normalisation, max_tokens=20), torch.tensor(expected))


def test_dr_grpo_needs_a_length_limit() -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        token_weights(torch.tensor([1]), "dr_grpo")


def _by_hand(
    new: torch.Tensor, old: torch.Tensor, ref: torch.Tensor, advantage: list[float], lengths: list[int], kl: float
) -> tuple[float, list[list[float]]]:
    """The "grpo" loss and its derivative by each log-probability, with plain arithmetic."""
    total, slopes = 0.0, [[0.0] * new.shape[1] for _ in lengths]
    for s, length in enumerate(lengths):
        for t in range(length):
            ratio = math.exp(float(new[s, t]) - float(old[s, t]))
            gap = float(ref[s, t]) - float(new[s, t])
            clipped = min(max(ratio, 0.8), 1.3)
            weight = 1 / (len(lengths) * length)
            total += weight * (-min(ratio * advantage[s], clipped * advantage[s]) + kl * (math.exp(gap) - gap - 1))
            free = ratio * advantage[s] <= clipped * advantage[s]
            slopes[s][t] = weight * ((-ratio * advantage[s] if free else 0.0) + kl * (1 - math.exp(gap)))
    return total, slopes


def test_loss_and_gradient_equal_plain_arithmetic() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths, advantage = [5, 2, 7, 1], [1.2, -0.7, 0.0, -1.5]
    old, noise, shift = (torch.randn(4, 7, generator=generator, dtype=torch.float64) for _ in range(3))
    new = (old + 0.4 * noise).requires_grad_()
    ref = old + 0.3 * shift
    mask = torch.arange(7)[None] < torch.tensor(lengths)[:, None]
    expected, slopes = _by_hand(new.detach(), old, ref, advantage, lengths, kl=0.05)
    # What stands at padding must never count.
    old[~mask] = float("inf")
    parts = grpo_loss(
        new,
        old,
        ref,
        torch.tensor(advantage, dtype=torch.float64),
        1 / (4 * torch.tensor(lengths, dtype=torch.float64)),
        mask,
        clip_low=0.2,
        clip_high=0.3,
        kl=0.05,
    )
    parts.loss.backward()
    assert float(parts.loss.detach()) == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(new.grad, torch.tensor(slopes, dtype=torch.float64), rtol=1e-10, atol=1e-12)
    gaps = (ref - new.detach())[mask]
    assert parts.kl_sum == pytest.approx(float((gaps.exp() - gaps - 1).sum()), rel=1e-12)
    ratios = (new.detach() - old)[mask].exp()
    signs = torch.tensor(advantage, dtype=torch.float64)[:, None].expand(4, 7)[mask]
    assert parts.clipped == int((((ratios > 1.3) & (signs > 0)) | ((ratios < 0.8) & (signs < 0))).sum()) > 0


LENGTHS = torch.tensor([5, 2, 1])


def _with_bonus(entropy: float, entropy_ST: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """A loss and its derivatives by the log-probabilities, of which some stand at padding."""
    generator = torch.Generator().manual_seed(1)
    old, noise = (torch.randn(3, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    new = (old + 0.4 * noise).requires_grad_()
    parts = grpo_loss(
        new,
        old,
        old - 0.1,
        torch.tensor([1.0, -0.5, 0.0], dtype=torch.float64),
        1 / (3 * LENGTHS.double()),
        torch.arange(5)[None] < LENGTHS[:, None],
        entropy_ST,
        clip_low=0.2,
        clip_high=0.3,
        kl=0.05,
        entropy=entropy,
    )
    parts.loss.backward()
    assert new.grad is not None
    return parts.loss.detach(), new.grad


def test_a_bonus_pays_for_the_entropy_of_every_token_and_leaves_the_rest_alone() -> None:
    entropy_ST = torch.rand(3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64).requires_grad_()
    plain, slopes = _with_bonus(0.0, None)
    paid, same = _with_bonus(0.02, entropy_ST)
    expected = torch.zeros(3, 5, dtype=torch.float64)
    for s, length in enumerate(LENGTHS.tolist()):
        expected[s, :length] = -0.02 / (3 * length)
    assert entropy_ST.grad is not None
    torch.testing.assert_close(entropy_ST.grad, expected, rtol=1e-12, atol=0)
    assert float(paid) == pytest.approx(float(plain + (expected * entropy_ST.detach()).sum()), rel=1e-12)
    assert torch.equal(same, slopes)


def test_without_a_bonus_the_loss_is_what_it_was_to_the_bit() -> None:
    entropy_ST = torch.rand(3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64).requires_grad_()
    for plain, weighed in zip(_with_bonus(0.0, None), _with_bonus(0.0, entropy_ST), strict=True):
        assert torch.equal(plain, weighed)
    assert entropy_ST.grad is None


def test_importance_is_the_ratio_to_the_engine_up_to_the_cap() -> None:
    generator = torch.Generator().manual_seed(3)
    engine = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    trainer = (engine + torch.randn(3, 5, generator=generator, dtype=torch.float64)).requires_grad_()
    mask = torch.arange(5)[None] < LENGTHS[:, None]
    engine[~mask] = float("-inf")
    found = importance_weights(trainer, engine, mask, cap=2.0)
    assert not found.requires_grad
    for s in range(3):
        for t in range(5):
            ratio = math.exp(float(trainer[s, t]) - float(engine[s, t])) if mask[s, t] else 1.0
            assert float(found[s, t]) == pytest.approx(min(ratio, 2.0), rel=1e-12)
    assert bool((found[mask] == 2).any()) and bool((found[mask] < 1).any())


def test_weighted_so_an_engine_of_its_own_teaches_what_the_policy_would() -> None:
    """Over a whole vocabulary, each token as often as it is sampled: the same gradient, whoever samples."""
    generator = torch.Generator().manual_seed(4)
    logits, worth, noise = (torch.randn(7, generator=generator, dtype=torch.float64) for _ in range(3))
    engine_V = (logits + 0.3 * noise).log_softmax(-1)

    def gradient(often_V: torch.Tensor, importance: bool) -> torch.Tensor:
        policy_V = logits.clone().requires_grad_()
        logprobs_V1 = policy_V.log_softmax(-1)[:, None]
        mask_V1 = torch.ones(7, 1, dtype=torch.bool)
        weights = importance_weights(logprobs_V1, engine_V[:, None], mask_V1, cap=100.0) if importance else None
        grpo_loss(
            logprobs_V1,
            logprobs_V1.detach(),
            None,
            worth,
            often_V,
            mask_V1,
            None,
            weights,
            clip_low=0.2,
            clip_high=0.2,
            kl=0.0,
        ).loss.backward()
        assert policy_V.grad is not None
        return policy_V.grad

    own = gradient(logits.softmax(-1), importance=False)
    torch.testing.assert_close(gradient(engine_V.exp(), importance=True), own, rtol=1e-12, atol=1e-15)
    assert float((gradient(engine_V.exp(), importance=False) - own).norm()) > 0.05 * float(own.norm())


@pytest.mark.parametrize("weight", [1.0, 1.7])
def test_importance_weighs_the_surrogate_alone(weight: float) -> None:
    def parts(importance: torch.Tensor | None, advantage: float = 1.5) -> torch.Tensor:
        return grpo_loss(
            torch.tensor([[-1.0, -2.0]]),
            torch.tensor([[-1.1, -1.9]]),
            torch.tensor([[-0.5, -2.5]]),
            torch.tensor([advantage]),
            torch.tensor([0.5]),
            torch.tensor([[True, True]]),
            torch.tensor([[0.3, 0.4]]),
            importance,
            clip_low=0.2,
            clip_high=0.2,
            kl=0.05,
            entropy=0.02,
        ).loss

    rest = parts(None, advantage=0.0)
    weighed, plain = parts(torch.full((1, 2), weight)), parts(None)
    assert float(weighed - rest) == pytest.approx(weight * float(plain - rest), rel=1e-5)
    if weight == 1:
        assert torch.equal(weighed, plain)
