"""The loss against its formula, token by token in double precision."""

from __future__ import annotations

import math

import pytest
import torch

from visplay.config import Averaging
from visplay.rl.loss import grpo_loss, importance_weights, token_weights
from visplay.rl.losses.clipped import PPOClip

CLIP = PPOClip(clip_low=0.2, clip_high=0.3)


@pytest.mark.parametrize("averaging", ["sequence", "token", "constant"])
def test_weights_of_a_batch(averaging: Averaging) -> None:
    lengths = torch.tensor([1, 4, 10])
    expected = {"sequence": [1 / 3, 1 / 12, 1 / 30], "token": [1 / 15] * 3, "constant": [1 / 60] * 3}[averaging]
    torch.testing.assert_close(token_weights(lengths, averaging, max_tokens=20), torch.tensor(expected))


def test_a_constant_average_needs_a_length_limit() -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        token_weights(torch.tensor([1]), "constant")


def _by_hand(
    new: torch.Tensor, old: torch.Tensor, ref: torch.Tensor, advantage: list[float], lengths: list[int], kl: float
) -> tuple[float, list[list[float]]]:
    """The loss of GRPO and its derivative by each log-probability, with plain arithmetic."""
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
        policy_loss=CLIP,
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
        policy_loss=CLIP,
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
            policy_loss=PPOClip(),
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
            policy_loss=PPOClip(),
            kl=0.05,
            entropy=0.02,
        ).loss

    rest = parts(None, advantage=0.0)
    weighed, plain = parts(torch.full((1, 2), weight)), parts(None)
    assert float(weighed - rest) == pytest.approx(weight * float(plain - rest), rel=1e-5)
    if weight == 1:
        assert torch.equal(weighed, plain)
