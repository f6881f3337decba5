"""The seam of policy losses: from probability ratios and advantages to a cost per token.

Shapes: S sequences, T completion tokens, padded on the right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from visplay.interfaces.component import Component

if TYPE_CHECKING:
    import torch


class PolicyLoss(Component, seam="loss"):
    """The cost of each token, without the KL penalty, the entropy bonus and the averaging, which are the trainer's."""

    def cost(
        self,
        logprobs_ST: torch.Tensor,
        old_logprobs_ST: torch.Tensor,
        advantages_S: torch.Tensor,
        mask_ST: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cost of each token to minimise, float32 (S, T), and whether its ratio was clipped, bool (S, T).

        Args:
            logprobs_ST: float32, log-probabilities in nats of the sampled tokens under the policy; has a gradient.
            old_logprobs_ST: the same under the policy that sampled the tokens.
            advantages_S: float32.
            mask_ST: bool, False at padding, which is ignored.
        """
        raise NotImplementedError
