"""Decoding on growing token trees.

An image, its prompts and their answers are one tree: the image and each prompt are
computed once, then every answer grows by a token a step, all in lockstep, against one
copy of the keys and values they share. Answers that ended are dropped along the way.

Left out: admitting new answers while others still run, and speculative decoding; the
vLLM engine is for that.

Shapes: B trees, R rows (answers of a tree), K nodes of images and prompts, H hidden
size, N answers of a batch, M of them that still run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from visplay.generation.batching import Bounds, Size, cut
from visplay.generation.decoding_state import Answer, Answers
from visplay.interfaces.engine import Sampling
from visplay.models.cache import TreeCache
from visplay.models.image_cache import Pixels
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import Completion, ImageRef

# Rows are dropped once so few of them are alive; each time copies the keys and values.
_COMPACT_BELOW = 0.7


def decode_trees(
    vlm: VLM, answers: Sequence[Answer], sampling: Sampling, seed: int, bounds: Bounds
) -> Iterator[Completion]:
    """Completions of all answers, within `bounds` at once; in no particular order."""
    roots = (_Root.of(vlm, plan) for plan in _plan(answers, bounds.answers))
    for batch in cut(roots, _Root.size, bounds):
        yield from _decode(vlm, batch, sampling, seed)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Answers to grow on one tree; all are about one image."""

    image: ImageRef
    answers: tuple[Answer, ...]


def _plan(answers: Sequence[Answer], rows: int) -> list[_Plan]:
    """Group answers by image, at most `rows` on a tree, in trees of similar size next to one another."""
    grouped_by_image: dict[ImageRef, list[Answer]] = {}
    for answer in answers:
        grouped_by_image.setdefault(answer.request.image, []).append(answer)
    plans = [
        _Plan(image, tuple(wanted[start : start + rows]))
        for image, wanted in grouped_by_image.items()
        for start in range(0, len(wanted), rows)
    ]

    def size(plan: _Plan) -> tuple[int, int]:
        return len(plan.answers), sum(len(prompt) for prompt in {a.request.prompt for a in plan.answers})

    return sorted(plans, key=size, reverse=True)


@dataclass(frozen=True, slots=True)
class _Root:
    """An image and its prompts as the model takes them, on which answers grow.

    Attributes:
        nodes_R, position_R: int64, the end of each answer's prompt, and the rotary position after it.
    """

    answers: tuple[Answer, ...]
    tree: TokenTree
    pixels: Pixels
    nodes_R: np.ndarray
    position_R: np.ndarray

    @classmethod
    def of(cls, vlm: VLM, plan: _Plan) -> _Root:
        prompts = {a.request.prompt: index for index, a in enumerate(plan.answers)}
        encoded = {prompt: vlm.encode(plan.image, prompt) for prompt in prompts}
        tree = TokenTree.build([e.token_ids for e in encoded.values()])
        pixels = next(iter(encoded.values())).pixels
        ends = {prompt: path[-1] for prompt, path in zip(encoded, tree.paths, strict=True)}
        nodes_R = np.array([ends[a.request.prompt] for a in plan.answers], dtype=np.int64)
        return cls(plan.answers, tree, pixels, nodes_R, vlm.positions(tree, pixels)[0].numpy()[nodes_R] + 1)

    def size(self) -> Size:
        return Size(len(self.answers), len(self.tree))


def _decode(vlm: VLM, roots: list[_Root], sampling: Sampling, seed: int) -> Iterator[Completion]:
    answers = Answers([answer for root in roots for answer in root.answers], vlm, sampling, seed)
    front = _start(vlm, roots)
    roots.clear()  # what was seen in images need not wait in memory until their answers are written
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
        sees_BRK: bool, the nodes of image and prompt that a row's tokens see.
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


def _start(vlm: VLM, roots: Sequence[_Root]) -> _Front:
    """Compute images and prompts; the front then stands at the end of every answer's prompt."""
    shape = len(roots), max(len(root.answers) for root in roots)
    nodes_BR = np.zeros(shape, dtype=np.int64)
    position_BR = np.zeros(shape, dtype=np.int64)
    answer_BR = np.zeros(shape, dtype=np.int64)
    live_BR = np.zeros(shape, dtype=bool)
    count = 0
    for row, root in enumerate(roots):
        size = len(root.answers)
        nodes_BR[row, :size] = root.nodes_R
        position_BR[row, :size] = root.position_R
        answer_BR[row, :size] = np.arange(count, count + size)
        live_BR[row, :size] = True
        count += size
    cache = TreeCache()
    hidden_BLH = vlm.hidden([root.tree for root in roots], [root.pixels for root in roots], cache)
    sees_BRK = np.zeros((*shape, hidden_BLH.shape[1]), dtype=bool)
    for row, root in enumerate(roots):
        sees_BRK[row, :, : len(root.tree)] = root.tree.ancestors_NL(nodes_BR[row])
    device = hidden_BLH.device
    return _Front(
        answer_BR=torch.from_numpy(answer_BR).to(device),
        live_BR=torch.from_numpy(live_BR).to(device),
        position_BR=torch.from_numpy(position_BR).to(device),
        sees_BRK=torch.from_numpy(sees_BRK).to(device),
        hidden_BRH=hidden_BLH[torch.arange(len(roots), device=device)[:, None], torch.from_numpy(nodes_BR).to(device)],
        cache=cache,
    )
