"""Sampling of tokens, with one random stream per completion, so that a completion does not depend on its batch.

Shapes: N completions, M of them that get a token in a step, T tokens, V vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from visplay.interfaces.engine import Sampling
from visplay.models.vlm import VLM
from visplay.types import Completion, Request


def uniforms(seed: int, request_id: str, index: int, count: int) -> np.ndarray:
    """The first `count` numbers, float64 in [0, 1), of the random stream of (seed, request id, index)."""
    key = hashlib.blake2b(f"{seed}/{index}/{request_id}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little"))).random(count)


def request_seed(seed: int, request_id: str, bits: int) -> int:
    """A seed of `bits` bits (at most 64) for a request, for engines with their own random generator."""
    digest = hashlib.blake2b(f"{seed}/{request_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - bits)


def scored_temperature(sampling: Sampling, greedy: bool = False) -> float:
    """Temperature of the log-probabilities that an engine records: the sampling temperature, or 1 if greedy."""
    return 1.0 if greedy or sampling.temperature == 0 else sampling.temperature


def draw(
    logits_NV: Tensor, uniform_N: Tensor, sampling: Sampling, banned: Tensor, greedy_N: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One token per row and its log-probability before truncation by top-k and top-p.

    The token is drawn by inverse transform sampling. As in transformers and vLLM, temperature applies first, then
    top-k, then top-p to the rest.

    Args:
        uniform_N: float64 in [0, 1), unused at temperature 0.
        banned: int64 ids of tokens that are never drawn.
        greedy_N: bool, rows that take the most probable token whatever `sampling` says.
    Returns:
        int64 token ids (N,), and natural-log probabilities (N,) over the whole vocabulary at the sampling temperature;
        at temperature 1 in greedy rows.
    """
    allowed_NV = logits_NV.index_fill(1, banned, float("-inf"))
    if sampling.temperature == 0:
        tokens_N = allowed_NV.argmax(-1)
    else:
        probabilities_NV = (allowed_NV / sampling.temperature).softmax(-1)
        if sampling.top_k or sampling.top_p < 1:
            sorted_NV, order_NV = probabilities_NV.sort(dim=-1, descending=True, stable=True)
            ranks_N = _invert(_truncate(sorted_NV, sampling), uniform_N)
            tokens_N = order_NV.gather(1, ranks_N[:, None])[:, 0]
        else:
            tokens_N = _invert(probabilities_NV, uniform_N)
    if greedy_N is not None:
        tokens_N = torch.where(greedy_N, allowed_NV.argmax(-1), tokens_N)
    if scored_temperature(sampling) != 1:
        scaled_NV = logits_NV / sampling.temperature
        logits_NV = scaled_NV if greedy_N is None else torch.where(greedy_N[:, None], logits_NV, scaled_NV)
    logprobs_N = logits_NV.gather(1, tokens_N[:, None])[:, 0] - logits_NV.logsumexp(-1)
    return tokens_N, logprobs_N


def _truncate(sorted_NV: Tensor, sampling: Sampling) -> Tensor:
    """Set probabilities beyond top-k and top-p to 0; the most probable token always stays."""
    kept_NV = sorted_NV.clone()
    if sampling.top_k:
        kept_NV[:, sampling.top_k :] = 0
    if sampling.top_p < 1:
        before_NV = kept_NV.cumsum(-1) - kept_NV
        kept_NV[before_NV >= sampling.top_p * kept_NV.sum(-1, keepdim=True)] = 0
    return kept_NV


def _invert(weights_NV: Tensor, uniform_N: Tensor) -> Tensor:
    """First index at which the cumulative share of `weights_NV` exceeds `uniform_N`; its weight is never 0."""
    cumulative_NV = weights_NV.double().cumsum(-1)
    total_N1 = cumulative_NV[:, -1:].contiguous()
    index_N1 = torch.searchsorted(cumulative_NV, uniform_N[:, None] * total_N1, right=True)
    # Rounding may raise the product to the total. The last token with a weight is where the sum reaches the total.
    last_N1 = torch.searchsorted(cumulative_NV, total_N1)
    # A sum that is NaN has no place in the order; the log-probability of any token tells of it.
    return torch.minimum(index_N1, last_N1)[:, 0].clamp(max=weights_NV.shape[1] - 1)


class LogitsNotFinite(Exception):
    """The next token of a completion has no probabilities, because logits hold NaN or infinity."""


class PendingCompletion(NamedTuple):
    """A completion to decode: a request and its number among the `n` completions."""

    request: Request
    number: int


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

    def draw(self, step: int, live_M: Tensor, logits_MV: Tensor) -> Tensor:
        """Draw token `step` of the completions `live_M` (int64 indices); returns int64 (N,), 0 for the others.

        Raises:
            LogitsNotFinite: the logits of a completion hold NaN or infinity.
        """
        tokens_M, logprobs_M = draw(
            logits_MV, self._uniform_NT[live_M, step], self._sampling, self._banned, self._greedy_N[live_M]
        )
        if not logprobs_M.isfinite().all():
            raise LogitsNotFinite
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
            yield Completion(
                request.id, index, tokens, tuple(logprobs[:length]), self._vlm.completion_text(tokens), finished
            )
