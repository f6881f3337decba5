"""The clipped surrogate of PPO, with a ratio a token (arXiv 1707.06347, 2402.03300).

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

    A `clip_high` above `clip_low` is DAPO's clip-higher (arXiv 2503.14476, section 3.1). With `dual_clip` c a token of
    negative advantage costs at most -c * A, however much likelier it became (arXiv 1912.09729, equation 5).
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
        free_ST = ratio_ST * advantages_S1
        held_ST = ratio_ST.clamp(1 - self.clip_low, 1 + self.clip_high) * advantages_S1
        objective_ST, clipped_ST = free_ST.minimum(held_ST), held_ST < free_ST
        if self.dual_clip is not None:
            floor_S1 = self.dual_clip * advantages_S1
            below_ST = (advantages_S1 < 0) & (objective_ST < floor_S1)
            objective_ST, clipped_ST = objective_ST.where(~below_ST, floor_S1), clipped_ST | below_ST
        return -objective_ST, clipped_ST
