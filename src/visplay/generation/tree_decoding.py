"""Decoding on token trees.

An image and its prompts form one tree, which is computed once. Then all answers grow in parallel, one token per step,
and attend to one copy of the tree's keys and values. Finished answers are dropped from the batch. Left out: continuous
batching and speculative decoding; the vLLM engine has them.

Shapes: B trees, R rows (answers of a tree), K nodes of images and prompts, H hidden size, N answers of a batch, M of
them that are unfinished.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence

from visplay.errors import UnreadableImage
from visplay.generation.batching import BatchLimits, ItemSize, decoding, make_batches
from visplay.generation.sampling import PendingCompletion, PendingCompletions
from visplay.interfaces.engine import Sampling
from visplay.models.cache import TreeCache
from visplay.models.image_cache import Pixels
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import Completion, ImageRef

# Share of live rows below which the batch is compacted; compacting copies the keys and values.
_COMPACT_BELOW = 0.7


def decode_trees(
    vlm: VLM, pending: Sequence[PendingCompletion], sampling: Sampling, seed: int, limits: BatchLimits
) -> Iterator[Completion]:
    """All completions but those on unreadable images, decoded in batches within `limits`; in no particular order."""
    prompt_trees = _prompt_trees(vlm, _group_by_image(pending, limits.answers))
    for batch in make_batches(prompt_trees, _PromptTree.size, limits):
        answers, tokens = (len(batch) * max(sizes) for sizes in zip(*(tree.size()[:2] for tree in batch), strict=True))
        with decoding(BatchLimits(answers, tokens)):
            completions = _decode(vlm, batch, sampling, seed)
        yield from completions


def _prompt_trees(vlm: VLM, groups: Iterable[list[PendingCompletion]]) -> Iterator[_PromptTree]:
    for answers in groups:
        with suppress(UnreadableImage):
            yield _PromptTree.of(vlm, answers)


def _group_by_image(pending: Sequence[PendingCompletion], rows: int) -> list[list[PendingCompletion]]:
    """Groups of at most `rows` completions of one image, sorted by size, so that neighbours need little padding."""
    by_image: dict[ImageRef, list[PendingCompletion]] = {}
    for completion in pending:
        by_image.setdefault(completion.request.image, []).append(completion)
    groups = [answers[start : start + rows] for answers in by_image.values() for start in range(0, len(answers), rows)]

    def size(answers: list[PendingCompletion]) -> tuple[int, int]:
        return len(answers), sum(len(prompt) for prompt in {request.prompt for request, _ in answers})

    return sorted(groups, key=size, reverse=True)


@dataclass(frozen=True, slots=True)
class _PromptTree:
    """The token tree of an image's prompts, before any answer."""

    answers: list[PendingCompletion]
    tree: TokenTree
    pixels: Pixels
    nodes_R: torch.Tensor  # int64, the last node of each answer's prompt
    position_R: torch.Tensor  # int64, the rotary position of each answer's first token

    @classmethod
    def of(cls, vlm: VLM, answers: list[PendingCompletion]) -> _PromptTree:
        image = answers[0].request.image
        encoded = {prompt: vlm.encode(image, prompt) for prompt in dict.fromkeys(r.prompt for r, _ in answers)}
        tree = TokenTree.build([e.token_ids for e in encoded.values()])
        pixels = next(iter(encoded.values())).pixels
        ends = {prompt: int(path[-1]) for prompt, path in zip(encoded, tree.paths, strict=True)}
        nodes_R = torch.tensor([ends[request.prompt] for request, _ in answers])
        return cls(answers, tree, pixels, nodes_R, vlm.positions(tree, pixels)[0, nodes_R] + 1)

    def size(self) -> ItemSize:
        return ItemSize(len(self.answers), len(self.tree))


def _decode(vlm: VLM, prompt_trees: list[_PromptTree], sampling: Sampling, seed: int) -> list[Completion]:
    answers = PendingCompletions([answer for p in prompt_trees for answer in p.answers], vlm, sampling, seed)
    batch, hidden_BRH = _start(vlm, prompt_trees)
    prompt_trees.clear()  # frees the images' features before decoding
    for step in range(answers.limit):
        tokens_N = answers.draw(step, batch.answer_BR[batch.live_BR], vlm.logits(hidden_BRH[batch.live_BR]))
        batch.live_BR &= ~answers.finished_N[batch.answer_BR]
        remaining = int(batch.live_BR.sum())
        if remaining == 0 or step + 1 == answers.limit:
            break
        if remaining < _COMPACT_BELOW * batch.live_BR.numel():
            batch.compact()
        hidden_BRH = vlm.extend(tokens_N[batch.answer_BR], batch.position_BR, batch.sees_BRK, batch.cache)
        batch.position_BR += 1
    return list(answers.completions())


@dataclass(slots=True)
class _DecodingBatch:
    """The state of decoding a batch of trees."""

    answer_BR: torch.Tensor  # int64, index of the row's completion
    live_BR: torch.Tensor  # bool, False for finished rows and for padding
    position_BR: torch.Tensor  # int64, rotary position of the next token
    sees_BRK: torch.Tensor  # bool, the nodes of image and prompt that a row's tokens see
    cache: TreeCache

    def compact(self) -> None:
        """Drop finished rows, trees without live rows, and nodes that no live row sees."""
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


def _start(vlm: VLM, prompt_trees: Sequence[_PromptTree]) -> tuple[_DecodingBatch, torch.Tensor]:
    """Prefill: compute images and prompts; returns the batch, and the hidden states before every answer, (B, R, H)."""
    counts = [len(p.answers) for p in prompt_trees]
    nodes_BR = pad_sequence([p.nodes_R for p in prompt_trees], batch_first=True)
    position_BR = pad_sequence([p.position_R for p in prompt_trees], batch_first=True)
    answer_BR = pad_sequence(torch.arange(sum(counts)).split(counts), batch_first=True)
    live_BR = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    cache = TreeCache()
    hidden_BLH = vlm.hidden([p.tree for p in prompt_trees], [p.pixels for p in prompt_trees], cache)
    sees_BRK = torch.zeros(*nodes_BR.shape, hidden_BLH.shape[1], dtype=torch.bool)
    for sees_RK, nodes_R, p in zip(sees_BRK, nodes_BR, prompt_trees, strict=True):
        sees_RK[:, : len(p.tree)] = torch.from_numpy(p.tree.ancestors_NL(nodes_R.numpy()))
    device = hidden_BLH.device
    trees_B1 = torch.arange(len(prompt_trees), device=device)[:, None]
    batch = _DecodingBatch(answer_BR.to(device), live_BR.to(device), position_BR.to(device), sees_BRK.to(device), cache)
    return batch, hidden_BLH[trees_B1, nodes_BR.to(device)]
