"""The tokens that were drawn so far for a batch of completions.

Shapes: N completions, M of them that get a token in a step, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from visplay.generation.sampling import draw, uniforms
from visplay.interfaces.engine import Sampling
from visplay.models.vlm import VLM
from visplay.types import Completion, Request


class PendingCompletion(NamedTuple):
    """A completion to decode: a request and the index among its `n` completions."""

    request: Request
    index: int


class PendingCompletions:
    """A batch of completions. The random stream of each depends only on seed, request id and index."""

    def __init__(self, pending: Sequence[PendingCompletion], vlm: VLM, sampling: Sampling, seed: int) -> None:
        self.limit = sampling.max_tokens or vlm.max_new_tokens
        self._pending = pending
        self._vlm = vlm
        self._sampling = sampling
        device, size = vlm.device, (len(pending), self.limit)
        streams_NT = np.stack([uniforms(seed, request.id, index, self.limit) for request, index in pending])
        self._uniform_NT = torch.from_numpy(streams_NT).to(device)
        self._greedy_N = torch.tensor([p.request.greedy for p in pending], device=device)
        self._eos = torch.tensor(vlm.eos_ids, device=device)
        self._banned = torch.tensor(vlm.placeholder_ids, device=device)
        self._ids_NT = torch.zeros(size, dtype=torch.int64, device=device)
        self._logprobs_NT = torch.zeros(size, device=device)
        self._length_N = torch.zeros(len(pending), dtype=torch.int64, device=device)
        self.finished_N = torch.zeros(len(pending), dtype=torch.bool, device=device)

    def draw(self, step: int, live_M: torch.Tensor, logits_MV: torch.Tensor) -> torch.Tensor:
        """Draw token `step` of the completions `live_M` (int64 indices); returns int64 (N,), 0 for the others.

        A completion that draws an end-of-text token is finished.
        """
        tokens_M, logprobs_M = draw(
            logits_MV, self._uniform_NT[live_M, step], self._sampling, self._banned, self._greedy_N[live_M]
        )
        self._ids_NT[live_M, step] = tokens_M
        self._logprobs_NT[live_M, step] = logprobs_M
        self._length_N[live_M] = step + 1
        self.finished_N[live_M] = torch.isin(tokens_M, self._eos)
        return self._ids_NT[:, step]

    def completions(self) -> Iterator[Completion]:
        """All completions with the tokens drawn so far, including the end-of-text token."""
        columns = (self._ids_NT, self._logprobs_NT, self._length_N, self.finished_N)
        rows = zip(self._pending, *(column.tolist() for column in columns), strict=True)
        for (request, index), ids, logprobs, length, finished in rows:
            tokens = tuple(ids[:length])
            yield Completion(request.id, index, tokens, tuple(logprobs[:length]), self._vlm.decode(tokens), finished)
