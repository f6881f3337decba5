"""Attention over token trees, registered with transformers as `visplay_tree`.

In the first forward pass, tokens attend under the tree's mask. PyTorch's kernels compute it: FlexAttention on a GPU,
which skips blocks without any visible pair of tokens, else scaled-dot-product attention with a dense mask. During
decoding, each answer attends to the nodes that its tree shares and to its own tokens. The shared keys are multiplied
with the queries of all answers in one matrix product, so they are read once per step and not once per answer (cascade
attention; Hydragen, arXiv 2402.05099).

Shapes: B trees, H query heads, G key-value heads, E query heads per key-value head, R answers of a tree, L nodes of a
tree, K nodes that its answers share, T own tokens of an answer, D head size.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

TREE_ATTENTION = "visplay_tree"


class Branches(NamedTuple):
    """Keys or values during decoding: one copy of the tree's for all answers, and those of each answer's own tokens."""

    shared_BGKD: Tensor
    own_BGRTD: Tensor


def tree_attention(
    module: torch.nn.Module,
    query_BHRD: Tensor,
    keys: Tensor | Branches,
    values: Tensor | Branches,
    mask: Tensor | BlockMask | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention output (B, R, H, D); the function that a transformers attention layer calls.

    Args:
        keys, values: tensors in the first forward pass; `Branches`, from `TreeCache`, during decoding.
        mask: a `block_mask`, or an additive mask; during decoding (B, 1, R, K), over the shared nodes only.
    """
    if isinstance(mask, BlockMask):
        assert isinstance(keys, Tensor) and isinstance(values, Tensor)
        return _fused(query_BHRD, keys, values, mask, scaling), None
    if isinstance(keys, Tensor) and isinstance(values, Tensor):
        return sdpa_attention_forward(module, query_BHRD, keys, values, mask, scaling=scaling, **kwargs)
    assert isinstance(keys, Branches) and isinstance(values, Branches)
    scaling = query_BHRD.shape[-1] ** -0.5 if scaling is None else scaling
    return _cascade(query_BHRD * scaling, keys, values, mask), None


def block_mask(ends_BL: Tensor) -> BlockMask:
    """The block mask of packed trees for FlexAttention, from `PackedTrees.ends_BL`; no dense mask is allocated."""
    batch, width = ends_BL.shape

    def sees(row: Tensor, _: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return (j <= i) & (i < ends_BL[row, j])

    return create_block_mask(sees, batch, None, width, width, device=ends_BL.device)


@cache
def flex_runs(device: torch.device, dtype: torch.dtype, heads: int, groups: int, size: int) -> bool:
    """Whether FlexAttention runs on this device, forward and backward, and agrees with the dense kernel."""
    if device.type != "cuda":
        return False  # PyTorch implements its backward pass for CUDA only
    return flex_agrees(device, dtype, heads, groups, size)


# The first to ask may be a pass without gradients, whose answer holds for updates too.
@torch.inference_mode(False)
@torch.enable_grad()
def flex_agrees(device: torch.device, dtype: torch.dtype, heads: int, groups: int, size: int) -> bool:
    """Whether FlexAttention has a gradient on this device and agrees with the dense kernel, whatever mode is on."""
    ends_BL = torch.tensor([[300, *[150] * 149, *range(151, 301)]], device=device)
    query, keys, values = (torch.randn(1, n, 300, size, dtype=dtype, device=device) for n in (heads, groups, groups))
    query.requires_grad_()
    try:
        fused = _fused(query, keys, values, block_mask(ends_BL), None)
        (gradient,) = torch.autograd.grad(fused.sum(), query)
    except Exception:  # a compiler may raise anything; the dense kernel is the fallback
        return False
    nodes = torch.arange(300, device=device)
    mask = (nodes <= nodes[:, None]) & (nodes[:, None] < ends_BL[0])
    dense = scaled_dot_product_attention(query, keys, values, attn_mask=mask, enable_gqa=True)
    return bool(gradient.isfinite().all()) and torch.allclose(fused, dense.transpose(1, 2), atol=0.02)


@cache
def _flex_attention(compiled: bool) -> Any:
    return torch.compile(flex_attention, dynamic=True) if compiled else flex_attention


def _fused(query_BHLD: Tensor, keys_BGLD: Tensor, values_BGLD: Tensor, mask: BlockMask, scale: float | None) -> Tensor:
    attend = _flex_attention(compiled=query_BHLD.is_cuda)
    output_BHLD: Tensor = attend(query_BHLD, keys_BGLD, values_BGLD, block_mask=mask, scale=scale, enable_gqa=True)
    return output_BHLD.transpose(1, 2)


def _cascade(query_BHRD: Tensor, keys: Branches, values: Branches, mask_B1RK: Tensor | None) -> Tensor:
    """One softmax over shared and own keys; the result equals merging the two parts by their log-sum-exp."""
    batch, heads, rows, size = query_BHRD.shape
    groups, shared = keys.shared_BGKD.shape[1:3]
    query_BGERD = query_BHRD.view(batch, groups, heads // groups, rows, size)
    flat_BGQD = query_BGERD.reshape(batch, groups, -1, size)
    scores_BGERK = (flat_BGQD @ keys.shared_BGKD.mT).view(batch, groups, -1, rows, shared)
    if mask_B1RK is not None:
        scores_BGERK = scores_BGERK + mask_B1RK[:, :, None]
    query_BGRED = query_BGERD.transpose(2, 3)
    own_BGERT = (query_BGRED @ keys.own_BGRTD.mT).transpose(2, 3)
    scores_BGERS = torch.cat([scores_BGERK, own_BGERT], dim=-1)
    weights_BGERS = scores_BGERS.softmax(-1, dtype=torch.float32).to(query_BHRD.dtype)
    weights_BGERK, weights_BGERT = weights_BGERS.split([shared, own_BGERT.shape[-1]], dim=-1)
    from_shared_BGERD = (weights_BGERK.reshape(batch, groups, -1, shared) @ values.shared_BGKD).view_as(query_BGERD)
    from_own_BGERD = (weights_BGERT.transpose(2, 3) @ values.own_BGRTD).transpose(2, 3)
    output_BHRD: Tensor = (from_shared_BGERD + from_own_BGERD).reshape(batch, heads, rows, size)
    return output_BHRD.transpose(1, 2)


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)
