"""Generation with transformers in this process, on growing token trees.

A picture, its prompts and their answers are one tree: the picture and each prompt are
computed once, then every answer grows by a token a step, all in lockstep, against one
copy of the keys and values they share. Rows that ended are dropped along the way.

Left out: admitting new requests while others still run, and speculative decoding; the
vLLM engine is for that.

Shapes: B trees, R rows (answers of a tree), K nodes so far, H hidden size, N answers of
a batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from visplay.config import Sampling
from visplay.engines.sampling import draw, uniforms
from visplay.models.cache import TreeCache
from visplay.models.policy import Policy
from visplay.models.tokentree import TokenTree
from visplay.models.vlm import VLM
from visplay.records import Completion, Picture, Request

# A row's query meets the keys of all rows of its tree, so wide trees waste attention.
_ROWS_A_TREE = 32
# Rows are dropped once so few of them are alive; each time copies the keys and values.
_COMPACT_BELOW = 0.7


@dataclass(frozen=True, slots=True)
class _Answer:
    request: Request
    index: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """Answers to grow on one tree; all are about one picture."""

    picture: Picture
    answers: tuple[_Answer, ...]


class HFEngine:
    """Samples from a policy in this process.

    Args:
        seed: of the run; a completion depends on (seed, request id, index) and on nothing else.
        batch: completions decoded at once, at most (but never fewer than one tree's).
    """

    def __init__(self, policy: Policy, seed: int, batch: int = 512) -> None:
        self.policy = policy
        self.seed = seed
        self.batch = batch

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        """See `Engine.generate`. A completion's `token_ids` include the end-of-text token that finished it."""
        if len({request.id for request in requests}) < len(requests):
            raise ValueError("two requests to generate have the same id; give each its own")
        found: dict[str, dict[int, Completion]] = {request.id: {} for request in requests}
        with self.policy.active() as vlm, torch.inference_mode():
            vlm.model.eval()
            for plans in _batches(_plan(requests), self.batch):
                for completion in _decode(vlm, plans, sampling, self.seed):
                    found[completion.request_id][completion.index] = completion
        return {r.id: tuple(found[r.id][index] for index in range(r.n)) for r in requests}


def _plan(requests: Sequence[Request]) -> list[_Plan]:
    """Group answers by picture, in trees of similar size next to one another."""
    by_picture: dict[Picture, list[_Answer]] = {}
    for request in requests:
        by_picture.setdefault(request.picture, []).extend(_Answer(request, i) for i in range(request.n))
    plans = [
        _Plan(picture, tuple(answers[start : start + _ROWS_A_TREE]))
        for picture, answers in by_picture.items()
        for start in range(0, len(answers), _ROWS_A_TREE)
    ]

    def size(plan: _Plan) -> tuple[int, int]:
        return len(plan.answers), sum(len(prompt) for prompt in {a.request.prompt for a in plan.answers})

    return sorted(plans, key=size, reverse=True)


def _batches(plans: Sequence[_Plan], rows: int) -> Iterator[list[_Plan]]:
    """Consecutive plans of at most `rows` answers together; `plans` begin with the widest."""
    start = 0
    while start < len(plans):
        size = max(1, rows // len(plans[start].answers))
        yield list(plans[start : start + size])
        start += size


@dataclass(slots=True)
class _Front:
    """The growing ends of a batch of trees.

    Attributes:
        answer_BR: int64, which answer a row belongs to.
        live_BR: bool, False for rows that ended and for padding.
        position_BR: int64, rotary position of the next token.
        sees_BRK: bool, the nodes a row's next token sees, itself left out.
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
        trees, rows = ids_BR.shape
        itself_BRR = torch.eye(rows, dtype=torch.bool, device=ids_BR.device).expand(trees, rows, rows)
        self.sees_BRK = torch.cat([self.sees_BRK, itself_BRR], dim=2)
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
        self.cache.select(trees_B, columns_BK)


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
        sees_BRK[row, :, : len(tree)] = tree.ancestor_mask_LL()[nodes_BR[row]]
    device = hidden_BLH.device
    return _Front(
        answer_BR=torch.from_numpy(answer_BR).to(device),
        live_BR=torch.from_numpy(live_BR).to(device),
        position_BR=torch.from_numpy(position_BR).to(device),
        sees_BRK=torch.from_numpy(sees_BRK).to(device),
        hidden_BRH=hidden_BLH[torch.arange(len(plans), device=device)[:, None], torch.from_numpy(nodes_BR).to(device)],
        cache=cache,
    )


def _decode(vlm: VLM, plans: Sequence[_Plan], sampling: Sampling, seed: int) -> Iterator[Completion]:
    answers = [answer for plan in plans for answer in plan.answers]
    front = _start(vlm, plans)
    device = front.hidden_BRH.device
    limit = sampling.max_tokens or vlm.max_new_tokens
    random_NT = np.stack([uniforms(seed, a.request.id, a.index, limit) for a in answers])
    uniform_NT = torch.from_numpy(random_NT).to(device)
    ids_NT = torch.zeros((len(answers), limit), dtype=torch.int64, device=device)
    logprobs_NT = torch.zeros((len(answers), limit), device=device)
    length_N = torch.zeros(len(answers), dtype=torch.int64, device=device)
    finished_N = torch.zeros(len(answers), dtype=torch.bool, device=device)
    eos = torch.tensor(vlm.eos_ids, device=device)
    banned = torch.tensor(vlm.placeholder_ids, device=device)
    greedy_N = torch.tensor([a.request.greedy for a in answers], device=device)
    for step in range(limit):
        live_N = front.answer_BR[front.live_BR]
        logits_NV = vlm.logits(front.hidden_BRH[front.live_BR])
        tokens_N, drawn_N = draw(logits_NV, uniform_NT[live_N, step], sampling, banned, greedy_N[live_N])
        ended_N = torch.isin(tokens_N, eos)
        ids_NT[live_N, step] = tokens_N
        logprobs_NT[live_N, step] = drawn_N
        length_N[live_N] = step + 1
        finished_N[live_N] = ended_N
        front.live_BR[front.live_BR.clone()] = ~ended_N
        remaining = int(front.live_BR.sum())
        if remaining == 0 or step + 1 == limit:
            break
        if remaining < _COMPACT_BELOW * front.live_BR.numel():
            front.compact()
        front.grow(vlm, ids_NT[:, step][front.answer_BR])
    yield from _completions(vlm, answers, ids_NT, logprobs_NT, length_N, finished_N)


def _completions(
    vlm: VLM,
    answers: Sequence[_Answer],
    ids_NT: torch.Tensor,
    logprobs_NT: torch.Tensor,
    length_N: torch.Tensor,
    finished_N: torch.Tensor,
) -> Iterator[Completion]:
    ids, logprobs, lengths, ends = (t.cpu().tolist() for t in (ids_NT, logprobs_NT, length_N, finished_N))
    for number, answer in enumerate(answers):
        tokens = tuple(ids[number][: lengths[number]])
        yield Completion(
            request_id=answer.request.id,
            index=answer.index,
            token_ids=tokens,
            logprobs=tuple(logprobs[number][: lengths[number]]),
            text=vlm.decode(tokens),
            finished=ends[number],
        )
