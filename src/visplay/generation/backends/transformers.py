"""The engine `transformers`: generation in this process, on token trees if they are valid for the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from visplay.generation.batching import BatchLimits, grouped_by_image
from visplay.interfaces.engine import Engine, EngineBackend, Sampling
from visplay.types import Completion, Request

if TYPE_CHECKING:
    from visplay.models.policy import Policy


class TransformersBackend(EngineBackend, type="transformers"):
    """transformers in this process; needs no other package."""

    batch: int = Field(256, ge=1, description="completions decoded at once")
    tokens: int = Field(
        65536, ge=64, description="tokens of images and prompts that are encoded at once, before completions grow"
    )

    @property
    def batch_size(self) -> int:
        return self.batch

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        return [TransformersEngine(policy, run.seed, self.batch, self.tokens) for policy in policies]


class TransformersEngine:
    """Samples from a policy in this process; a completion depends on it and (seed, request id, index) only."""

    def __init__(self, policy: Policy, seed: int, batch: int = 512, tokens: int = 65536) -> None:
        self.policy = policy
        self.seed = seed
        self.limits = BatchLimits(batch, tokens)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. A completion's `token_ids` include the end-of-text token that finished it."""
        # Imported here, because settings are read without torch.
        import torch

        from visplay.generation.padded_decoding import decode_padded
        from visplay.generation.sampling import PendingCompletion
        from visplay.generation.tree_decoding import decode_trees

        pending = [PendingCompletion(request, i) for request in grouped_by_image(requests) for i in range(request.n)]
        found: dict[str, dict[int, Completion]] = {request.id: {} for request in requests}
        with self.policy.active() as vlm, torch.inference_mode():
            vlm.model.eval()
            decode = decode_padded if vlm.padded_because else decode_trees
            for completion in decode(vlm, pending, sampling, self.seed, self.limits):
                found[completion.request_id][completion.index] = completion
        # An image that vanished has no completions. It may have vanished between two batches of one request.
        whole = (request for request in requests if len(found[request.id]) == request.n)
        none: dict[str, tuple[Completion, ...]] = {request.id: () for request in requests}
        return none | {r.id: tuple(found[r.id][index] for index in range(r.n)) for r in whole}

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: none, because the engine samples from the trained weights themselves."""
        return {}

    def close(self) -> None:
        """See `Engine.close`: there is nothing to free."""
