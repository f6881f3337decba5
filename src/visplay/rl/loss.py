"""The loss of one policy update on plain tensors: the policy loss, a KL penalty, an entropy bonus, and the averaging.

Sources: GRPO (arXiv 2402.03300), Dr. GRPO (arXiv 2503.20783), DAPO (arXiv 2503.14476), the k3 estimator of KL
(J. Schulman, "Approximating KL divergence", 2020; "low_var_kl" in veRL), truncated importance sampling (F. Yao et al.,
"Your efficient RL framework secretly brings you off-policy RL training", 2025).

How tokens are averaged is a tensor of weights, made once for a whole update. So the loss of a part of the sequences is
a part of the sum, and micro-batches need no correction.

Shapes: S sequences, T completion tokens, padded on the right.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from visplay.config import Averaging
from visplay.interfaces.loss import PolicyLoss


def token_weights(lengths_S: Tensor, averaging: Averaging, max_tokens: int | None = None) -> Tensor:
    """Weight of each token of each sequence in the loss, float32 (S,), over a whole update.

    * "sequence": the mean over sequences of the mean over a sequence's tokens, 1 / (S * length), as in GRPO.
    * "token": the mean over all tokens, 1 / sum of lengths, as in DAPO.
    * "constant": the mean over sequences of the sum over tokens / `max_tokens`, the length limit of sampling, as in
      Dr. GRPO, so that a long wrong answer is not punished less per token than a short one.
    """
    lengths_S = lengths_S.float()
    if averaging == "sequence":
        return 1 / (len(lengths_S) * lengths_S)
    if averaging == "token":
        return torch.full_like(lengths_S, 1 / float(lengths_S.sum()))
    if max_tokens is None:
        raise ValueError("averaging 'constant' needs max_tokens, the length limit of sampling")
    return torch.full_like(lengths_S, 1 / (len(lengths_S) * max_tokens))


def importance_weights(logprobs_ST: Tensor, engine_logprobs_ST: Tensor, mask_ST: Tensor, cap: float) -> Tensor:
    """min(p / p_engine, cap) of each token, which has no gradient; 1 at padding.

    An engine with its own kernels samples from slightly other probabilities than the trainer's. With these weights its
    tokens count as if the trainer had sampled them; the cap keeps rare tokens from counting too much.
    """
    gap_ST = torch.where(mask_ST, logprobs_ST.detach() - engine_logprobs_ST, 0)
    return torch.exp(gap_ST).clamp(max=cap)


class LossParts(NamedTuple):
    """A loss and what it was made of."""

    loss: Tensor  # scalar to minimise
    kl_sum: float  # of the k3 estimates of all tokens in nats, 0 without a reference
    clipped: int  # number of tokens whose ratio the policy loss clipped


def grpo_loss(
    logprobs_ST: Tensor,
    old_logprobs_ST: Tensor,
    ref_logprobs_ST: Tensor | None,
    advantages_S: Tensor,
    weights_S: Tensor,
    mask_ST: Tensor,
    entropy_ST: Tensor | None = None,
    importance_ST: Tensor | None = None,
    *,
    policy_loss: PolicyLoss,
    kl: float,
    entropy: float = 0.0,
) -> LossParts:
    """The policy loss plus `kl` times the k3 estimate of KL(policy || reference), less an entropy bonus.

    A token costs w * c + kl * k3 - entropy * H, where c is its cost under `policy_loss` and
    k3 = exp(ref - logprob) - (ref - logprob) - 1.

    Args:
        logprobs_ST: of the sampled tokens under the policy; only it and `entropy_ST` have a gradient.
        old_logprobs_ST, ref_logprobs_ST: under the policy that sampled them, and under the reference if there is a
            penalty.
        weights_S, importance_ST: see `token_weights`, and w, see `importance_weights`; None is 1.
        entropy_ST: H, entropy in nats of the distribution each token came from; needed by a bonus only.
    """
    cost_ST, clipped_ST = policy_loss.cost(logprobs_ST, old_logprobs_ST, advantages_S, mask_ST)
    if importance_ST is not None:
        cost_ST = cost_ST * importance_ST
    kl_sum = 0.0
    if ref_logprobs_ST is not None:
        gap_ST = torch.where(mask_ST, ref_logprobs_ST - logprobs_ST, 0)
        k3_ST = torch.exp(gap_ST) - gap_ST - 1
        cost_ST = cost_ST + kl * k3_ST
        kl_sum = float(k3_ST.detach().sum())
    if entropy:
        assert entropy_ST is not None
        cost_ST = cost_ST - entropy * entropy_ST
    loss = torch.where(mask_ST, cost_ST * weights_S[:, None], 0).sum()
    return LossParts(loss, kl_sum, int((clipped_ST & mask_ST).sum()))
