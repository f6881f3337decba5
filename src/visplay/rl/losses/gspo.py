"""The clipped surrogate with one ratio a sequence: group sequence policy optimisation (GSPO, arXiv 2507.18071).

Shapes: S sequences, T completion tokens, padded on the right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from visplay.interfaces.loss import PolicyLoss

if TYPE_CHECKING:
    from torch import Tensor


class GSPO(PolicyLoss, type="gspo"):
    """GSPO: the cost of `ppo_clip` with ratio = exp(mean over a sequence's tokens of logprob - old).

    Every token of a sequence has the cost of its sequence; `averaging: sequence` gives the paper's objective (equations
    5 to 7). Its ratios vary far less than those of tokens, hence the narrow clip range (section 5.1).
    """

    clip_low: float = Field(3e-4, gt=0, lt=1, description="ratio is clipped below 1 - clip_low (paper: 3e-4)")
    clip_high: float = Field(4e-4, gt=0, description="ratio is clipped above 1 + clip_high (paper: 4e-4)")

    def cost(
        self, logprobs_ST: Tensor, old_logprobs_ST: Tensor, advantages_S: Tensor, mask_ST: Tensor
    ) -> tuple[Tensor, Tensor]:
        gap_ST = (logprobs_ST - old_logprobs_ST).where(mask_ST, 0)
        ratio_S = (gap_ST.sum(1) / mask_ST.sum(1)).exp()
        free_S = ratio_S * advantages_S
        held_S = ratio_S.clamp(1 - self.clip_low, 1 + self.clip_high) * advantages_S
        cost_S, clipped_S = -free_S.minimum(held_S), held_S < free_S
        return cost_S[:, None].expand_as(mask_ST), clipped_S[:, None].expand_as(mask_ST)
