"""Policy losses that clip the ratio of a token's or a sequence's probabilities, exp(logprob - old).

Shapes: S sequences, T completion tokens, padded on the right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from visplay.interfaces.loss import PolicyLoss

if TYPE_CHECKING:
    from torch import Tensor


class PPOClip(PolicyLoss, type="ppo_clip"):
    """PPO and GRPO: -min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A), ratio = exp(logprob - old).

    Sources: arXiv 1707.06347, 2402.03300. A `clip_high` above `clip_low` is DAPO's clip-higher (arXiv 2503.14476,
    section 3.1). With `dual_clip` c a token of negative advantage costs at most -c * A, however much likelier it became
    (arXiv 1912.09729, equation 5).
    """

    clip_low: float = Field(0.2, gt=0, lt=1, description="ratio is clipped below 1 - clip_low")
    clip_high: float = Field(0.2, gt=0, description="ratio is clipped above 1 + clip_high (DAPO: 0.28)")
    dual_clip: float | None = Field(
        None, gt=1, description="greatest ratio that counts where the advantage is negative (veRL: 3); null: no limit"
    )

    def cost(
        self, logprobs_ST: Tensor, old_logprobs_ST: Tensor, advantages_S: Tensor, mask_ST: Tensor
    ) -> tuple[Tensor, Tensor]:
        advantages_S1 = advantages_S[:, None]
        ratio_ST = (logprobs_ST - old_logprobs_ST).where(mask_ST, 0).exp()
        objective_ST, clipped_ST = _clipped(ratio_ST, advantages_S1, self.clip_low, self.clip_high)
        if self.dual_clip is not None:
            floor_S1 = self.dual_clip * advantages_S1
            below_ST = (advantages_S1 < 0) & (objective_ST < floor_S1)
            objective_ST, clipped_ST = objective_ST.where(~below_ST, floor_S1), clipped_ST | below_ST
        return -objective_ST, clipped_ST


class GSPO(PolicyLoss, type="gspo"):
    """GSPO: the cost of `ppo_clip` with ratio = exp(mean over a sequence's tokens of logprob - old).

    Every token of a sequence has the cost of its sequence; `averaging: sequence` gives the paper's objective (arXiv
    2507.18071, equations 5 to 7). Its ratios vary far less than those of tokens, hence the narrow clip range
    (section 5.1).
    """

    clip_low: float = Field(3e-4, gt=0, lt=1, description="ratio is clipped below 1 - clip_low (paper: 3e-4)")
    clip_high: float = Field(4e-4, gt=0, description="ratio is clipped above 1 + clip_high (paper: 4e-4)")

    def cost(
        self, logprobs_ST: Tensor, old_logprobs_ST: Tensor, advantages_S: Tensor, mask_ST: Tensor
    ) -> tuple[Tensor, Tensor]:
        gap_ST = (logprobs_ST - old_logprobs_ST).where(mask_ST, 0)
        ratio_S = (gap_ST.sum(1) / mask_ST.sum(1)).exp()
        objective_S, clipped_S = _clipped(ratio_S, advantages_S, self.clip_low, self.clip_high)
        return -objective_S[:, None].expand_as(mask_ST), clipped_S[:, None].expand_as(mask_ST)


class CISPO(PolicyLoss, type="cispo"):
    """CISPO: -stop_gradient(clip(ratio, 1 - clip_low, 1 + clip_high)) * A * logprob, ratio = exp(logprob - old).

    REINFORCE with clipped importance weights (MiniMax-M1, arXiv 2506.13585, section 3.1). Unlike `ppo_clip` it keeps
    the gradient of every token; a clipped token is one with a clipped weight.
    """

    clip_low: float | None = Field(
        None, gt=0, lt=1, description="weight is clipped below 1 - clip_low; null: no lower bound (paper)"
    )
    clip_high: float = Field(4.0, gt=0, description="weight is clipped above 1 + clip_high (arXiv 2510.13786: 3 to 7)")

    def cost(
        self, logprobs_ST: Tensor, old_logprobs_ST: Tensor, advantages_S: Tensor, mask_ST: Tensor
    ) -> tuple[Tensor, Tensor]:
        ratio_ST = (logprobs_ST - old_logprobs_ST).detach().where(mask_ST, 0).exp()
        weight_ST = ratio_ST.clamp(1 - self.clip_low if self.clip_low is not None else 0, 1 + self.clip_high)
        return -weight_ST * advantages_S[:, None] * logprobs_ST, weight_ST != ratio_ST


def _clipped(ratio: Tensor, advantages: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """The smaller of ratio * A and clip(ratio) * A, and whether it is the clipped one."""
    free, held = ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages
    return free.minimum(held), held < free
