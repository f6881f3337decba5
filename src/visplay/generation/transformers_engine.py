"""Generation with transformers in this process: on token trees, or on the plain path where a tree is not valid."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from visplay.generation.batching import Bounds
from visplay.generation.decoding_state import Answer
from visplay.generation.engine import grouped_by_image
from visplay.generation.padded_decoding import decode_plain
from visplay.generation.tree_decoding import decode_trees
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy
from visplay.types import Completion, Request


class TransformersEngine:
    """Samples from a policy in this process.

    Args:
        seed: of the run; a completion depends on (seed, request id, index) and on nothing else.
        batch, tokens: the most answers and tokens at once; see `Bounds`.
    """

    def __init__(self, policy: Policy, seed: int, batch: int = 512, tokens: int = 65536) -> None:
        self.policy = policy
        self.seed = seed
        self.bounds = Bounds(batch, tokens)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. A completion's `token_ids` include the end-of-text token that finished it."""
        answers = [Answer(request, index) for request in grouped_by_image(requests) for index in range(request.n)]
        found: dict[str, dict[int, Completion]] = {request.id: {} for request in requests}
        with self.policy.active() as vlm, torch.inference_mode():
            vlm.model.eval()
            decode = decode_plain if vlm.plain_because else decode_trees
            for completion in decode(vlm, answers, sampling, self.seed, self.bounds):
                found[completion.request_id][completion.index] = completion
        return {r.id: tuple(found[r.id][index] for index in range(r.n)) for r in requests}

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: the weights that sample are those that are trained."""
        return {}

    def close(self) -> None:
        """See `Engine.close`: nothing is held."""
