"""The keys and values of a token tree that is still growing.

Rows of a batch are trees, columns are tree nodes in the order they were computed, so one
copy of a picture's keys serves all of its questions and answers.

Left out: sliding windows and any state that is not keys and values; `VLM.load` refuses
models that need them.

Shapes: B trees, H key-value heads, N new nodes, K nodes so far, D head size.
"""

from __future__ import annotations

import torch

_GROWTH = 1.5


class TreeCache:
    """What a transformers decoder takes as `past_key_values`: it calls `update` once a layer.

    Buffers are allocated ahead and grow geometrically, so a step copies only its new nodes.
    """

    def __init__(self) -> None:
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._used: list[int] = []

    def update(
        self, keys_BHND: torch.Tensor, values_BHND: torch.Tensor, layer: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new nodes to a layer; return all its keys and values, each (B, H, K, D)."""
        if layer == len(self._used):
            self._keys.append(keys_BHND[:, :, :0])
            self._values.append(values_BHND[:, :, :0])
            self._used.append(0)
        start = self._used[layer]
        end = start + keys_BHND.shape[2]
        if end > self._keys[layer].shape[2]:
            self._keys[layer] = _enlarge(self._keys[layer], start, end)
            self._values[layer] = _enlarge(self._values[layer], start, end)
        self._keys[layer][:, :, start:end] = keys_BHND
        self._values[layer][:, :, start:end] = values_BHND
        self._used[layer] = end
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def select(self, trees_B: torch.Tensor, columns_BK: torch.Tensor) -> None:
        """Keep, for each new row, the `columns_BK` of the old row `trees_B` (both int64)."""
        for buffers in (self._keys, self._values):
            for layer, buffer in enumerate(buffers):
                _, heads, _, size = buffer.shape
                index_BHKD = columns_BK[:, None, :, None].expand(-1, heads, -1, size)
                buffers[layer] = buffer[trees_B].gather(2, index_BHKD)
        self._used = [columns_BK.shape[1]] * len(self._used)


def _enlarge(buffer: torch.Tensor, used: int, needed: int) -> torch.Tensor:
    batch, heads, _, size = buffer.shape
    larger = buffer.new_empty(batch, heads, int(needed * _GROWTH), size)
    larger[:, :, :used] = buffer[:, :, :used]
    return larger
