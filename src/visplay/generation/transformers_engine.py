"""Generation with transformers in this process, by token trees or, if they are not valid, by padded sequences."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from visplay.generation.batching import BatchLimits, grouped_by_image
from visplay.generation.decoding_state import PendingCompletion
from visplay.generation.padded_decoding import decode_padded
from visplay.generation.tree_decoding import decode_trees
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy
from visplay.types import Completion, Request


class TransformersEngine:
    """Samples from a policy in this process.

    Args:
        seed: the run's seed; a completion depends only on (seed, request id, index) and the policy.
        batch, tokens: limits of answers and tokens, see `BatchLimits`.
    """

    def __init__(self, policy: Policy, seed: int, batch: int = 512, tokens: int = 65536) -> None:
        self.policy = policy
        self.seed = seed
        self.limits = BatchLimits(batch, tokens)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. A completion's `token_ids` include the end-of-text token that finished it."""
        pending = [PendingCompletion(request, i) for request in grouped_by_image(requests) for i in range(request.n)]
        found: dict[str, dict[int, Completion]] = {request.id: {} for request in requests}
        with self.policy.active() as vlm, torch.inference_mode():
            vlm.model.eval()
            decode = decode_padded if vlm.padded_because else decode_trees
            for completion in decode(vlm, pending, sampling, self.seed, self.limits):
                found[completion.request_id][completion.index] = completion
        return {r.id: tuple(found[r.id][index] for index in range(r.n)) for r in requests}

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: none, because the engine samples from the trained weights themselves."""
        return {}

    def close(self) -> None:
        """See `Engine.close`: there is nothing to free."""
