"""Each policy loss against its formula, token by token in double precision."""

from __future__ import annotations

import math

import pytest
import torch

from visplay.interfaces.component import components
from visplay.interfaces.loss import PolicyLoss
from visplay.rl.losses.clipped import CISPO, GSPO, PPOClip

LENGTHS = (5, 2, 7, 1)
ADVANTAGES = (1.2, -0.7, -1.5, 0.4)
MASK = torch.arange(7)[None] < torch.tensor(LENGTHS)[:, None]


def drawn(spread: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities under the policy and under the one that sampled, with nonsense at padding."""
    generator = torch.Generator().manual_seed(0)
    old, noise = (torch.randn(4, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    new = (old + spread * noise).requires_grad_()
    old[~MASK] = float("inf")
    return new, old


def costs(loss: PolicyLoss, spread: float = 0.5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Costs, clipped tokens, ratios, and the gradient of the sum of the costs; 0 at padding."""
    new, old = drawn(spread)
    cost, clipped = loss.cost(new, old, torch.tensor(ADVANTAGES, dtype=torch.float64), MASK)
    torch.where(MASK, cost, 0).sum().backward()
    assert new.grad is not None and not new.grad[~MASK].any()
    ratio = torch.where(MASK, new.detach() - old, 0).exp()
    return torch.where(MASK, cost.detach(), 0), clipped & MASK, ratio, new.grad


def tokens() -> list[tuple[int, int, float]]:
    return [(s, t, ADVANTAGES[s]) for s, length in enumerate(LENGTHS) for t in range(length)]


def test_clip_higher() -> None:
    found, clipped, ratio, slopes = costs(PPOClip(clip_low=0.2, clip_high=0.28))
    for s, t, advantage in tokens():
        r = float(ratio[s, t])
        held = min(max(r, 0.8), 1.28)
        assert float(found[s, t]) == pytest.approx(-min(r * advantage, held * advantage), rel=1e-12)
        assert bool(clipped[s, t]) == (held * advantage < r * advantage)
        assert float(slopes[s, t]) == pytest.approx(0 if clipped[s, t] else -r * advantage, rel=1e-12)
    assert 0 < int(clipped.sum()) < len(tokens())


@pytest.mark.parametrize("limit", [1.05, 1.5, 3.0])
def test_dual_clip(limit: float) -> None:
    """arXiv 1912.09729, equation 5: max(min(r A, clip(r) A), c A) where A < 0, also for a c below 1 + clip_high."""
    found, clipped, ratio, slopes = costs(PPOClip(dual_clip=limit), spread=1.0)
    held_by_limit = 0
    for s, t, advantage in tokens():
        r = float(ratio[s, t])
        plain = min(r * advantage, min(max(r, 0.8), 1.2) * advantage)
        expected = max(plain, limit * advantage) if advantage < 0 else plain
        held_by_limit += expected != plain
        assert float(found[s, t]) == pytest.approx(-expected, rel=1e-12)
        free = expected == r * advantage
        assert bool(clipped[s, t]) != free
        assert float(slopes[s, t]) == pytest.approx(-r * advantage if free else 0, rel=1e-12)
    assert held_by_limit > 0


def test_gspo() -> None:
    """arXiv 2507.18071, equations 5 to 7; the gradient of a sequence is shared by its tokens."""
    found, clipped, _, slopes = costs(GSPO(clip_low=0.1, clip_high=0.2))
    new, old = drawn()
    for s, (length, advantage) in enumerate(zip(LENGTHS, ADVANTAGES, strict=True)):
        ratio = math.exp(float((new.detach()[s, :length] - old[s, :length]).mean()))
        held = min(max(ratio, 0.9), 1.2)
        is_clipped = held * advantage < ratio * advantage
        assert found[s, :length].tolist() == pytest.approx([-min(ratio * advantage, held * advantage)] * length)
        assert clipped[s, :length].tolist() == [is_clipped] * length
        # The sum over tokens of the cost counts it once a token, whose mean each log-probability enters by 1 / length.
        assert slopes[s, :length].tolist() == pytest.approx([0.0 if is_clipped else -ratio * advantage] * length)
    assert 0 < int(clipped.any(1).sum()) < len(LENGTHS)


@pytest.mark.parametrize("low", [None, 0.3])
def test_cispo(low: float | None) -> None:
    """arXiv 2506.13585, equations 4 and 5: the weight has no gradient, and no token loses its own."""
    found, clipped, ratio, slopes = costs(CISPO(clip_low=low, clip_high=0.4))
    new = drawn()[0].detach()
    for s, t, advantage in tokens():
        r = float(ratio[s, t])
        weight = min(max(r, 0 if low is None else 1 - low), 1.4)
        assert float(found[s, t]) == pytest.approx(-weight * advantage * float(new[s, t]), rel=1e-12)
        assert float(slopes[s, t]) == pytest.approx(-weight * advantage, rel=1e-12)
        assert bool(clipped[s, t]) == (weight != r)
    assert 0 < int(clipped.sum()) < len(tokens())


@pytest.mark.parametrize("name", components("loss"))
def test_where_the_policy_sampled_each_loss_is_reinforce(name: str) -> None:
    """At ratio 1 the gradient by a log-probability is minus the advantage."""
    loss = components("loss")[name]()
    assert isinstance(loss, PolicyLoss)
    _, clipped, _, slopes = costs(loss, spread=0.0)
    assert not clipped.any()
    expected = -torch.tensor(ADVANTAGES, dtype=torch.float64)[:, None] * MASK
    torch.testing.assert_close(slopes, expected, rtol=1e-12, atol=1e-15)
