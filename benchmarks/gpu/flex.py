"""The part `flex`: the attention of one layer of the 3B over a token tree, by FlexAttention and by PyTorch's kernels.

Shapes: B trees, L tokens of a tree, H query heads, G key-value heads, D head size.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from benchmarks import floor, shapes
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.ceilings import ceilings
from visplay.models.attention import block_mask, tree_attention
from visplay.models.token_tree import PackedTrees, TokenTree

_HEADS, _GROUPS, _SIZE = 16, 2, 128
_PROMPT, _ANSWER, _ANSWERS = 1100, 512, 8  # tokens, tokens of an answer, and answers of the tree
# Trees and tokens of a tree, as an update, its reference and a rollout come with them.
_SHAPES = ((1, 1400), (3, 1250), (1, 2048), (5, 1111), (2, 130), (1, 100), (8, 1024), (1, 5001))
_MODES: dict[str, Callable[[], Any]] = {
    "update": nullcontext,
    "reference": torch.no_grad,
    "rollout": torch.inference_mode,
}


def run(bench: Bench) -> None:
    """Time each kernel on a tree of 8 completions of 512 tokens, then count compilations over other shapes."""
    if not bench.has_gpu("FlexAttention"):
        return
    kernels = _Kernels(bench)
    contenders: dict[str, Callable[[], Tensor]] = {
        "FlexAttention": kernels.flex,
        "dense mask, PyTorch's choice": kernels.dense,
        "dense mask, memory-efficient": lambda: kernels.forced(SDPBackend.EFFICIENT_ATTENTION),
        "dense mask, cuDNN": lambda: kernels.forced(SDPBackend.CUDNN_ATTENTION),
        "causal": kernels.causal,
    }
    for how, attend in contenders.items():
        with bench.attempt(f"attention, {how}"):
            kernels.measure(how, attend)
    with bench.attempt("compilations"):
        _compilations(bench)


class _Kernels:
    """Queries, keys and values of a layer, and masks of the tree."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        rng = np.random.default_rng(0)
        prompt = shapes.random_tokens(_PROMPT, rng)
        tree = TokenTree.build([(*prompt, *shapes.random_tokens(_ANSWER, rng)) for _ in range(_ANSWERS)])
        packed = PackedTrees.pack([tree], 0)
        self._length = len(tree)
        self._pairs = int(packed.mask_B1LL.sum())
        ends_BL = packed.ends_BL.to(bench.device.torch)
        self._blocks = block_mask(ends_BL)
        made = bench.device.seconds(lambda: block_mask(ends_BL))
        bench.findings.add("block mask", s=median(made), skipped_blocks_percent=float(self._blocks.sparsity()))
        made = bench.device.seconds(lambda: packed.mask_B1LL.to(bench.device.torch))
        mask_B1LL = packed.mask_B1LL.to(bench.device.torch)
        bench.findings.add("dense mask", s=median(made))
        self._mask_B1LL = torch.zeros(mask_B1LL.shape, dtype=torch.bfloat16, device=mask_B1LL.device)
        self._mask_B1LL.masked_fill_(~mask_B1LL, float("-inf"))
        self._query_BHLD, self._keys_BGLD, self._values_BGLD = _tensors(bench, 1, self._length, True)

    def flex(self) -> Tensor:
        return _flex(self._query_BHLD, self._keys_BGLD, self._values_BGLD, self._blocks)

    def dense(self) -> Tensor:
        return scaled_dot_product_attention(self._query_BHLD, *self._repeated(), attn_mask=self._mask_B1LL)

    def forced(self, backend: SDPBackend) -> Tensor:
        with sdpa_kernel(backend):
            return self.dense()

    def causal(self) -> Tensor:
        tensors = (self._query_BHLD, self._keys_BGLD, self._values_BGLD)
        return scaled_dot_product_attention(*tensors, is_causal=True, enable_gqa=True)

    def measure(self, how: str, attend: Callable[[], Tensor]) -> None:
        """Forward alone, and with the backward pass."""
        device, rate = self._bench.device, ceilings(self._bench).flops
        tree = attend != self.causal
        pairs = self._pairs if tree else floor.pairs(0, self._length)
        floor_s = 4 * pairs * _HEADS * _SIZE / rate
        who = "visplay" if attend == self.flex else "PyTorch"
        task = f"attention of a layer, {self._length} {'nodes of a tree' if tree else 'tokens in a row'}"
        device.restart_peak()
        before = device.held()
        for case, work, passes in (
            ("forward", attend, floor.FORWARD),
            ("forward and backward", lambda: attend().sum().backward(), floor.TRAINED),
        ):
            rounds = device.seconds(work, 5, 2)
            peak = device.peak() - before
            self._bench.findings.time(task, case, who, how, rounds, floor_s=passes * floor_s, peak_bytes=peak)

    def _repeated(self) -> tuple[Tensor, Tensor]:
        """Keys and values for each query head, as transformers makes them where there is a mask."""
        times = _HEADS // _GROUPS
        return self._keys_BGLD.repeat_interleave(times, 1), self._values_BGLD.repeat_interleave(times, 1)


def _tensors(bench: Bench, trees: int, length: int, trained: bool) -> tuple[Tensor, ...]:
    """Queries, keys and values."""
    return tuple(
        torch.randn(trees, heads, length, _SIZE, device=bench.device.torch, dtype=torch.bfloat16, requires_grad=trained)
        for heads in (_HEADS, _GROUPS, _GROUPS)
    )


def _flex(query_BHLD: Tensor, keys_BGLD: Tensor, values_BGLD: Tensor, mask: Any) -> Tensor:
    """As a layer calls it."""
    return tree_attention(torch.nn.Module(), query_BHLD, keys_BGLD, values_BGLD, mask)[0]


def _compilations(bench: Bench) -> None:
    """How often FlexAttention is compiled over the shapes of a run, and which shapes it refuses."""
    counters.clear()
    refused: dict[str, str] = {}

    def all_shapes() -> None:
        for trees, length in _SHAPES:
            for mode, context in _MODES.items():
                try:
                    with context():
                        _once(bench, trees, length, trained=mode == "update")
                except Exception as error:  # a compiler may raise anything
                    refused[f"{trees} × {length}, {mode}"] = type(error).__name__

    (spent,) = bench.device.seconds(all_shapes, 1, 0)
    graphs = counters["stats"].get("unique_graphs")
    bench.findings.add("compilations", s=spent, graphs=graphs, calls=len(_SHAPES) * len(_MODES), refused=refused)


def _once(bench: Bench, trees: int, length: int, trained: bool) -> None:
    ends_BL = torch.arange(1, length + 1, device=bench.device.torch).repeat(trees, 1)
    ends_BL[:, 0] = length
    query_BHLD, keys_BGLD, values_BGLD = _tensors(bench, trees, length, trained)
    output = _flex(query_BHLD, keys_BGLD, values_BGLD, block_mask(ends_BL))
    if trained:
        output.sum().backward()
