"""The engine `transformers`: generation in this process, on token trees if they are valid for the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from visplay.errors import NotFiniteError, OutOfMemory
from visplay.generation.batching import BatchLimits, BatchOutOfMemory, SharedLimits, grouped_by_image
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
        shared = SharedLimits(BatchLimits(self.batch, self.tokens))
        return [TransformersEngine(policy, run.seed, shared=shared) for policy in policies]


class TransformersEngine:
    """Samples from a policy in this process; a completion depends on it and (seed, request id, index) only.

    When memory runs out, the batch is halved for the rest of the run, and what is missing is decoded anew from the same
    random streams.
    """

    def __init__(
        self, policy: Policy, seed: int, batch: int = 512, tokens: int = 65536, shared: SharedLimits | None = None
    ) -> None:
        self.policy = policy
        self.seed = seed
        self.shared = shared or SharedLimits(BatchLimits(batch, tokens))

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. A completion's `token_ids` include the end-of-text token that finished it.

        Raises:
            NotFiniteError: logits hold NaN or infinity.
            OutOfMemory: a batch of a single answer does not fit.
        """
        ordered = grouped_by_image(requests)
        found: dict[str, dict[int, Completion]] = {request.id: {} for request in requests}
        finished = False
        while not finished:
            missing = [(request, i) for request in ordered for i in range(request.n) if i not in found[request.id]]
            finished = self._decode(missing, sampling, found)
        # An image that vanished has no completions. It may have vanished between two batches of one request.
        whole = {request.id for request in requests if len(found[request.id]) == request.n}
        return {r.id: tuple(found[r.id][index] for index in range(r.n) if r.id in whole) for r in requests}

    def _decode(
        self, missing: Sequence[tuple[Request, int]], sampling: Sampling, found: dict[str, dict[int, Completion]]
    ) -> bool:
        """Add the missing completions to `found`. False if memory ran out before the last, and batches are smaller."""
        # Imported here, because settings are read without torch.
        import torch

        from visplay.generation.padded_decoding import decode_padded
        from visplay.generation.sampling import LogitsNotFinite, PendingCompletion
        from visplay.generation.tree_decoding import decode_trees
        from visplay.models.out_of_memory import free_memory

        pending = [PendingCompletion(*one) for one in missing]
        try:
            with self.policy.active() as vlm, torch.inference_mode():
                vlm.model.eval()
                decode = decode_padded if vlm.padded_because else decode_trees
                for completion in decode(vlm, pending, sampling, self.seed, self.limits):
                    found[completion.request_id][completion.index] = completion
                return True
        except LogitsNotFinite:
            raise NotFiniteError(self.policy.role, "logits") from None
        except BatchOutOfMemory as error:
            if not self.shared.halve(error.size):
                raise OutOfMemory("generation", str(error)) from None
        free_memory()  # after the block, because the error's frames hold tensors
        return False

    @property
    def limits(self) -> BatchLimits:
        """The limits of a batch, which shrink when memory runs out."""
        return self.shared.limits

    def metrics(self) -> dict[str, float]:
        """See `Engine.metrics`: none, because the engine samples from the trained weights themselves."""
        return {}

    def close(self) -> None:
        """See `Engine.close`: there is nothing to free."""
