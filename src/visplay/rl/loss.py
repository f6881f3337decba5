"""Group-relative advantages and the clipped policy loss with a KL penalty, on plain tensors.

Sources: GRPO (arXiv 2402.03300), Dr. GRPO (arXiv 2503.20783), DAPO (arXiv 2503.14476), the k3
estimator of KL (J. Schulman, "Approximating KL divergence", 2020; "low_var_kl" in veRL), truncated
importance sampling (F. Yao et al., "Your efficient RL framework secretly brings you off-policy RL
training", 2025).

How tokens are averaged is a tensor of weights, made once for a whole update. So the loss
of a part of the sequences is a part of the sum, and micro-batches need no correction.

Shapes: G completions of a group, S sequences, T completion tokens, padded on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Normalisation = Literal["grpo", "dr_grpo", "dapo"]


def advantages(rewards: Sequence[float], epsilon: float, baseline: tuple[float, float] | None = None) -> torch.Tensor:
    """Rewards of one group, centred and scaled: (r - mean) / (std + epsilon), float32 (G,).

    The standard deviation is the unbiased one (divided by G - 1), as in TRL and veRL. Equal
    rewards give exactly 0, whatever rounding does to their mean.

    Args:
        baseline: mean and standard deviation that equal rewards are compared with instead of one another.
    Raises:
        ValueError: fewer than two rewards; there is nothing to compare.
    """
    if len(rewards) < 2:
        raise ValueError(f"a group needs at least two rewards to compare, this one has {len(rewards)}")
    rewards_G = torch.tensor(rewards, dtype=torch.float64)
    if bool((rewards_G == rewards_G[0]).all()):
        mean, std = baseline or (rewards[0], 1.0)
        return ((rewards_G - mean) / (std + epsilon)).float()
    return ((rewards_G - rewards_G.mean()) / (rewards_G.std() + epsilon)).float()


def token_weights(lengths_S: torch.Tensor, normalisation: Normalisation, max_tokens: int | None = None) -> torch.Tensor:
    """Weight of each token of each sequence in the loss, float32 (S,), over a whole update.

    * "grpo": the mean over sequences of the mean over a sequence's tokens, 1 / (S * length).
    * "dapo": the mean over all tokens, 1 / sum of lengths.
    * "dr_grpo": the mean over sequences of the sum over tokens / `max_tokens`, so that a long
      wrong answer is not punished less a token than a short one.

    Args:
        lengths_S: int64, completion tokens of each sequence, at least 1.
        max_tokens: the length limit of sampling; needed by "dr_grpo" alone.
    Raises:
        ValueError: an unknown normalisation, or "dr_grpo" without `max_tokens`.
    """
    lengths_S = lengths_S.float()
    if normalisation == "grpo":
        return 1 / (len(lengths_S) * lengths_S)
    if normalisation == "dapo":
        return torch.full_like(lengths_S, 1 / float(lengths_S.sum()))
    if normalisation == "dr_grpo":
        if max_tokens is None:
            raise ValueError("normalisation 'dr_grpo' needs max_tokens, the length limit of sampling")
        return torch.full_like(lengths_S, 1 / (len(lengths_S) * max_tokens))
    raise ValueError(f"no normalisation '{normalisation}'; choose grpo, dr_grpo or dapo")


def importance_weights(
    logprobs_ST: torch.Tensor, engine_logprobs_ST: torch.Tensor, mask_ST: torch.Tensor, cap: float
) -> torch.Tensor:
    """min(p / p_engine, cap) of each token, which has no gradient; 1 at padding.

    An engine with kernels of its own samples from slightly other probabilities than the trainer's; weighted so,
    its tokens count as if the trainer had sampled them, and the cap keeps rare ones from counting too much.

    Args:
        logprobs_ST: under the policy that sampled, as the trainer computes them.
        engine_logprobs_ST: as the engine recorded them.
        cap: at least 1.
    """
    gap_ST = torch.where(mask_ST, logprobs_ST.detach() - engine_logprobs_ST, 0)
    return torch.exp(gap_ST).clamp(max=cap)


@dataclass(frozen=True, slots=True)
class LossParts:
    """A loss and what it was made of.

    Attributes:
        loss: scalar to minimise.
        kl_sum: sum over tokens of the k3 estimate in nats, 0 without a reference.
        clipped: number of tokens whose gradient the clip removed.
    """

    loss: torch.Tensor
    kl_sum: float
    clipped: int


def grpo_loss(
    logprobs_ST: torch.Tensor,
    old_logprobs_ST: torch.Tensor,
    ref_logprobs_ST: torch.Tensor | None,
    advantages_S: torch.Tensor,
    weights_S: torch.Tensor,
    mask_ST: torch.Tensor,
    entropy_ST: torch.Tensor | None = None,
    importance_ST: torch.Tensor | None = None,
    *,
    clip_low: float,
    clip_high: float,
    kl: float,
    entropy: float = 0.0,
) -> LossParts:
    """Clipped surrogate plus `kl` times the k3 estimate of KL(policy || reference), less an entropy bonus.

    A token costs -w * min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A) + kl * k3 - entropy * H, with
    ratio = exp(logprob - old) and k3 = exp(ref - logprob) - (ref - logprob) - 1.

    Args:
        logprobs_ST: of the sampled tokens under the policy; it and `entropy_ST` alone have a gradient.
        old_logprobs_ST: under the policy that sampled them.
        ref_logprobs_ST: under the reference, None to leave the penalty out.
        weights_S: see `token_weights`.
        mask_ST: bool, False at padding.
        entropy_ST: H, entropy in nats of the distribution each token came from; needed by a bonus alone.
        importance_ST: w, how much each token's surrogate counts, see `importance_weights`; None for 1.
    Raises:
        ValueError: a bonus without `entropy_ST`.
    """
    if entropy and entropy_ST is None:
        raise ValueError("an entropy bonus needs entropy_ST, the entropy of each token's distribution")
    ratio_ST = torch.exp(torch.where(mask_ST, logprobs_ST - old_logprobs_ST, 0))
    advantages_S1 = advantages_S[:, None]
    free_ST = ratio_ST * advantages_S1
    held_ST = ratio_ST.clamp(1 - clip_low, 1 + clip_high) * advantages_S1
    cost_ST = -torch.minimum(free_ST, held_ST)
    if importance_ST is not None:
        cost_ST = cost_ST * importance_ST
    kl_sum = 0.0
    if ref_logprobs_ST is not None:
        gap_ST = torch.where(mask_ST, ref_logprobs_ST - logprobs_ST, 0)
        k3_ST = torch.exp(gap_ST) - gap_ST - 1
        cost_ST = cost_ST + kl * k3_ST
        kl_sum = float(k3_ST.detach().sum())
    if entropy_ST is not None and entropy:
        cost_ST = cost_ST - entropy * entropy_ST
    loss = torch.where(mask_ST, cost_ST * weights_S[:, None], 0).sum()
    clipped = int(((held_ST < free_ST) & mask_ST).sum())
    return LossParts(loss, kl_sum, clipped)
