"""The vision tower with all its windows of an image in one call of attention.

transformers calls attention once for each window, unless the attention's name has "flash" in it: then it hands over the
whole sequence and the ends of the windows, as flash-attn takes them.

Shapes: H heads, L patches of an image, D head size, W patches of a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

_NAME = "visplay_flash_windows"


@contextmanager
def joined_windows(model: Any, joined: bool = True) -> Iterator[None]:
    """Context manager: the windows of an image are computed together; with `joined=False` nothing changes."""
    config = model.base_model.visual.config
    before = config._attn_implementation
    config._attn_implementation = _NAME if joined else before
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(
    module: torch.nn.Module,
    query_1HLD: Tensor,
    keys_1HLD: Tensor,
    values_1HLD: Tensor,
    attention_mask: Tensor | None = None,
    scaling: float = 1.0,
    *,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention output (1, L, H, D), each window for itself."""
    tensors = (query_1HLD, keys_1HLD, values_1HLD)
    count, width = len(cu_seq_lens_q) - 1, int(max_length_q)
    heads, length, size = query_1HLD.shape[1:]
    if count * width == length:  # windows of one size, which become a batch
        query, keys, values = (t[0].reshape(heads, count, width, size).transpose(0, 1) for t in tensors)
        output = scaled_dot_product_attention(query, keys, values, scale=scaling)
        return output.transpose(1, 2).reshape(1, length, heads, size), None
    lengths = (cu_seq_lens_q[1:] - cu_seq_lens_q[:-1]).tolist()
    windows = zip(*(t.split(lengths, dim=2) for t in tensors), strict=True)
    outputs = [scaled_dot_product_attention(query, keys, values, scale=scaling) for query, keys, values in windows]
    return torch.cat(outputs, dim=2).transpose(1, 2), None


AttentionInterface.register(_NAME, _attend)
