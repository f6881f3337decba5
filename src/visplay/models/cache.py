"""KV cache of token trees and of the answers that are decoded on them.

The tree's keys and values are stored once. Each answer adds one token per step to its own buffer, so all questions and
answers of an image use one copy of the image's keys.

Left out: sliding windows and any state other than keys and values; such models use the padded path.

Shapes: B trees, G key-value heads, N new nodes, K shared nodes, R answers of a tree, T own
tokens of an answer, D head size.
"""

from __future__ import annotations

import torch

from visplay.models.attention import Branches

# Initial capacity of an answer's buffer, tokens; a full buffer doubles.
ROOM = 32


class TreeCache:
    """The `past_key_values` of a transformers decoder, which calls `update` once per layer.

    The first forward pass fills the shared part. Each later pass adds one token to each answer.
    """

    def __init__(self) -> None:
        self._keys: list[_Layer] = []
        self._values: list[_Layer] = []

    def update(
        self, keys_BGND: torch.Tensor, values_BGND: torch.Tensor, layer: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor] | tuple[Branches, Branches]:
        """Store a layer's new keys and values; return all keys and values that its attention uses."""
        if layer == len(self._keys):
            self._keys.append(_Layer(keys_BGND))
            self._values.append(_Layer(values_BGND))
            return keys_BGND, values_BGND
        return self._keys[layer].grow(keys_BGND), self._values[layer].grow(values_BGND)

    def select(self, trees_B: torch.Tensor, rows_BR: torch.Tensor, columns_BK: torch.Tensor) -> None:
        """Keep only the trees `trees_B`, and of these the answers `rows_BR` and shared nodes `columns_BK` (int64)."""
        for layer in (*self._keys, *self._values):
            layer.select(trees_B, rows_BR, columns_BK)


class _Layer:
    def __init__(self, shared_BGKD: torch.Tensor) -> None:
        self._shared_BGKD = shared_BGKD
        self._own_BGRTD = shared_BGKD.new_empty(0)
        self._used = 0

    def grow(self, new_BGRD: torch.Tensor) -> Branches:
        if self._used == 0:
            self._own_BGRTD = _buffer(new_BGRD, ROOM)
        elif self._used == self._own_BGRTD.shape[3]:
            larger_BGRTD = _buffer(new_BGRD, 2 * self._used)
            larger_BGRTD[:, :, :, : self._used] = self._own_BGRTD
            self._own_BGRTD = larger_BGRTD
        self._own_BGRTD[:, :, :, self._used] = new_BGRD
        self._used += 1
        return Branches(self._shared_BGKD, self._own_BGRTD[:, :, :, : self._used])

    def select(self, trees_B: torch.Tensor, rows_BR: torch.Tensor, columns_BK: torch.Tensor) -> None:
        _, groups, _, size = self._shared_BGKD.shape
        index_BGKD = columns_BK[:, None, :, None].expand(-1, groups, -1, size)
        self._shared_BGKD = self._shared_BGKD[trees_B].gather(2, index_BGKD)
        if self._used:
            room = self._own_BGRTD.shape[3]
            index_BGRTD = rows_BR[:, None, :, None, None].expand(-1, groups, -1, room, size)
            self._own_BGRTD = self._own_BGRTD[trees_B].gather(2, index_BGRTD)


def _buffer(like_BGRD: torch.Tensor, room: int) -> torch.Tensor:
    batch, groups, rows, size = like_BGRD.shape
    return like_BGRD.new_empty(batch, groups, rows, room, size)
