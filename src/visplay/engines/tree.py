"""Decoding on growing token trees.

A picture, its prompts and their answers are one tree: the picture and each prompt are
computed once, then every answer grows by a token a step, all in lockstep, against one
copy of the keys and values they share. Answers that ended are dropped along the way.

Left out: admitting new answers while others still run, and speculative decoding; the
vLLM engine is for that.

Shapes: B trees, R rows (answers of a tree), K nodes of pictures and prompts, H hidden
size, N answers of a batch, M of them that still run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from visplay.config import Sampling
from visplay.engines.answers import Answer, Answers
from visplay.models.cache import TreeCache
from visplay.models.tokentree import TokenTree
from visplay.models.vlm import VLM
from visplay.records import Completion, Picture

# Rows are dropped once so few of them are alive; each time copies the keys and values.
_COMPACT_BELOW = 0.7


def decode_trees(
    vlm: VLM, answers: Sequence[Answer], sampling: Sampling, seed: int, batch: int
) -> Iterator[Completion]:
    """Completions of all answers, at most `batch` decoded at once; in no particular order."""
    for plans in _batches(_plan(answers, batch), batch):
        yield from _decode(vlm, plans, sampling, seed)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Answers to grow on one tree; all are about one picture."""

    picture: Picture
    answers: tuple[Answer, ...]


def _plan(answers: Sequence[Answer], rows: int) -> list[_Plan]:
    """Group answers by picture, at most `rows` on a tree, in trees of similar size next to one another."""
    by_picture: dict[Picture, list[Answer]] = {}
    for answer in answers:
        by_picture.setdefault(answer.request.picture, []).append(answer)
    plans = [
        _Plan(picture, tuple(wanted[start : start + rows]))
        for picture, wanted in by_picture.items()
        for start in range(0, len(wanted), rows)
    ]

    def size(plan: _Plan) -> tuple[int, int]:
        return len(plan.answers), sum(len(prompt) for prompt in {a.request.prompt for a in plan.answers})

    return sorted(plans, key=size, reverse=True)


def _batches(plans: Sequence[_Plan], rows: int) -> Iterator[list[_Plan]]:
    """Consecutive plans of at most `rows` answers together; `plans` begin with the widest."""
    start = 0
    while start < len(plans):
        size = rows // len(plans[start].answers)
        yield list(plans[start : start + size])
        start += size


def _decode(vlm: VLM, plans: Sequence[_Plan], sampling: Sampling, seed: int) -> Iterator[Completion]:
    answers = Answers([answer for plan in plans for answer in plan.answers], vlm, sampling, seed)
    front = _start(vlm, plans)
    for step in range(answers.limit):
        logits_MV = vlm.logits(front.hidden_BRH[front.live_BR])
        tokens_N = answers.draw(step, front.answer_BR[front.live_BR], logits_MV)
        front.live_BR &= ~answers.finished_N[front.answer_BR]
        remaining = int(front.live_BR.sum())
        if remaining == 0 or step + 1 == answers.limit:
            break
        if remaining < _COMPACT_BELOW * front.live_BR.numel():
            front.compact()
        front.grow(vlm, tokens_N[front.answer_BR])
    yield from answers.completions()


@dataclass(slots=True)
class _Front:
    """The growing ends of a batch of trees.

    Attributes:
        answer_BR: int64, which answer a row belongs to.
        live_BR: bool, False for rows that ended and for padding.
        position_BR: int64, rotary position of the next token.
        sees_BRK: bool, the nodes of picture and prompt that a row's tokens see.
        hidden_BRH: hidden state each row's next token is drawn from.
    """

    answer_BR: torch.Tensor
    live_BR: torch.Tensor
    position_BR: torch.Tensor
    sees_BRK: torch.Tensor
    hidden_BRH: torch.Tensor
    cache: TreeCache

    def grow(self, vlm: VLM, ids_BR: torch.Tensor) -> None:
        """Append one token to every row."""
        self.hidden_BRH = vlm.extend(ids_BR, self.position_BR, self.sees_BRK, self.cache)
        self.position_BR = self.position_BR + 1

    def compact(self) -> None:
        """Drop rows that ended, trees without rows, and nodes that no row sees any more."""
        trees_B = self.live_BR.any(1).nonzero()[:, 0]
        live_BR = self.live_BR[trees_B]
        width = int(live_BR.sum(1).max())
        rows_BR = (~live_BR).to(torch.int8).argsort(dim=1, stable=True)[:, :width]
        self.live_BR = live_BR.gather(1, rows_BR)
        self.answer_BR = self.answer_BR[trees_B].gather(1, rows_BR)
        self.position_BR = self.position_BR[trees_B].gather(1, rows_BR)
        sees_BRK = self.sees_BRK[trees_B[:, None], rows_BR]
        seen_BK = (sees_BRK & self.live_BR[:, :, None]).any(1)
        columns_BK = (~seen_BK).to(torch.int8).argsort(dim=1, stable=True)[:, : int(seen_BK.sum(1).max())]
        self.sees_BRK = sees_BRK.gather(2, columns_BK[:, None].expand(-1, width, -1))
        self.cache.select(trees_B, rows_BR, columns_BK)


def _start(vlm: VLM, plans: Sequence[_Plan]) -> _Front:
    """Compute pictures and prompts; the front then stands at the end of every answer's prompt."""
    trees: list[TokenTree] = []
    pixels = []
    rows = max(len(plan.answers) for plan in plans)
    nodes_BR = np.zeros((len(plans), rows), dtype=np.int64)
    position_BR = np.zeros((len(plans), rows), dtype=np.int64)
    answer_BR = np.zeros((len(plans), rows), dtype=np.int64)
    live_BR = np.zeros((len(plans), rows), dtype=bool)
    count = 0
    for row, plan in enumerate(plans):
        prompts = {a.request.prompt: index for index, a in enumerate(plan.answers)}
        encoded = {prompt: vlm.encode(plan.picture, prompt) for prompt in prompts}
        tree = TokenTree.build([e.token_ids for e in encoded.values()])
        ends = {prompt: path[-1] for prompt, path in zip(encoded, tree.paths, strict=True)}
        trees.append(tree)
        pixels.append(next(iter(encoded.values())).pixels)
        size = len(plan.answers)
        nodes_BR[row, :size] = [ends[a.request.prompt] for a in plan.answers]
        position_BR[row, :size] = vlm.positions(tree, pixels[-1])[0].numpy()[nodes_BR[row, :size]] + 1
        answer_BR[row, :size] = np.arange(count, count + size)
        live_BR[row, :size] = True
        count += size
    cache = TreeCache()
    hidden_BLH = vlm.hidden(trees, pixels, cache)
    sees_BRK = np.zeros((len(plans), rows, hidden_BLH.shape[1]), dtype=bool)
    for row, tree in enumerate(trees):
        sees_BRK[row, :, : len(tree)] = tree.ancestors_NL(nodes_BR[row])
    device = hidden_BLH.device
    return _Front(
        answer_BR=torch.from_numpy(answer_BR).to(device),
        live_BR=torch.from_numpy(live_BR).to(device),
        position_BR=torch.from_numpy(position_BR).to(device),
        sees_BRK=torch.from_numpy(sees_BRK).to(device),
        hidden_BRH=hidden_BLH[torch.arange(len(plans), device=device)[:, None], torch.from_numpy(nodes_BR).to(device)],
        cache=cache,
    )
