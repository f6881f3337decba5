"""Answers that are being written: what was drawn for each of them so far.

Shapes: N answers, M of them that are drawn for now, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from visplay.generation.sampling import draw, uniforms
from visplay.interfaces.engine import Sampling
from visplay.models.vlm import VLM
from visplay.types import Completion, Request


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the answers wanted of a request."""

    request: Request
    index: int


class Answers:
    """A batch of answers, each with a random stream of its own."""

    def __init__(self, answers: Sequence[Answer], vlm: VLM, sampling: Sampling, seed: int) -> None:
        self.limit = sampling.max_tokens or vlm.max_new_tokens
        self._answers = answers
        self._vlm = vlm
        self._sampling = sampling
        device, size = vlm.device, (len(answers), self.limit)
        streams_NT = np.stack([uniforms(seed, a.request.id, a.index, self.limit) for a in answers])
        self._uniform_NT = torch.from_numpy(streams_NT).to(device)
        self._greedy_N = torch.tensor([a.request.greedy for a in answers], device=device)
        self._eos = torch.tensor(vlm.eos_ids, device=device)
        self._banned = torch.tensor(vlm.placeholder_ids, device=device)
        self._ids_NT = torch.zeros(size, dtype=torch.int64, device=device)
        self._logprobs_NT = torch.zeros(size, device=device)
        self._length_N = torch.zeros(len(answers), dtype=torch.int64, device=device)
        self.finished_N = torch.zeros(len(answers), dtype=torch.bool, device=device)

    def draw(self, step: int, live_M: torch.Tensor, logits_MV: torch.Tensor) -> torch.Tensor:
        """Token `step` of the answers `live_M` (int64 numbers of theirs), which is kept; int64 (N,), 0 for the others.

        An answer that draws an end-of-text token is finished.
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
        """All answers as they stand; the token that finished one is part of it."""
        columns = (self._ids_NT, self._logprobs_NT, self._length_N, self.finished_N)
        for answer, ids, logprobs, length, finished in zip(
            self._answers, *(column.cpu().tolist() for column in columns), strict=True
        ):
            tokens = tuple(ids[:length])
            text = self._vlm.decode(tokens)
            yield Completion(answer.request.id, answer.index, tokens, tuple(logprobs[:length]), text, finished)
