"""REINFORCE with clipped importance weights: CISPO (MiniMax-M1, arXiv 2506.13585, section 3.1).

Shapes: S sequences, T completion tokens, padded on the right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from visplay.interfaces.loss import PolicyLoss

if TYPE_CHECKING:
    from torch import Tensor


class CISPO(PolicyLoss, type="cispo"):
    """CISPO: -stop_gradient(clip(ratio, 1 - clip_low, 1 + clip_high)) * A * logprob, ratio = exp(logprob - old).

    Unlike `ppo_clip` it keeps the gradient of every token; a clipped token is one with a clipped weight.
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
