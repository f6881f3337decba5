"""KV cache of token trees and of the answers that are decoded on them.

The tree's keys and values are stored once. Each answer adds one token per step to its own buffer. Left out: sliding
windows and any state other than keys and values; such models use the padded path.

Shapes: B trees, G key-value heads, N new nodes, or nodes or answers that are kept, K shared nodes, R answers of a tree,
T own tokens of an answer, D head size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from visplay.models.attention import Branches

# Initial capacity of an answer's buffer, tokens; a full buffer doubles.
ROOM = 32


class TreeCache:
    """The `past_key_values` of a transformers decoder, which calls `update` once per layer.

    The first forward pass fills the shared part. Each later pass adds one token to each answer.
    """

    def __init__(self) -> None:
        self._layers: list[tuple[_Part, _Part]] = []

    def update(
        self, keys_BGND: Tensor, values_BGND: Tensor, layer: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor] | tuple[Branches, Branches]:
        """Store a layer's new keys and values; return all keys and values that its attention uses."""
        if layer == len(self._layers):
            self._layers.append((_Part(keys_BGND), _Part(values_BGND)))
            return keys_BGND, values_BGND
        keys, values = self._layers[layer]
        return keys.grow(keys_BGND), values.grow(values_BGND)

    def select(self, trees_B: Tensor, rows_BR: Tensor, columns_BK: Tensor) -> None:
        """Keep only the trees `trees_B`, and of these the answers `rows_BR` and shared nodes `columns_BK` (int64)."""
        for layer in self._layers:
            for part in layer:
                part.select(trees_B, rows_BR, columns_BK)


class _Part:
    """The keys of a layer, or its values."""

    def __init__(self, shared_BGKD: Tensor) -> None:
        self._shared_BGKD = shared_BGKD
        self._own_BGRTD = shared_BGKD.new_empty(0)
        self._used = self._room = 0

    def grow(self, new_BGRD: Tensor) -> Branches:
        if self._used == self._room:
            self._room = 2 * self._room or ROOM
            larger_BGRTD = new_BGRD.new_empty(*new_BGRD.shape[:3], self._room, new_BGRD.shape[3])
            if self._used:
                larger_BGRTD[:, :, :, : self._used] = self._own_BGRTD
            self._own_BGRTD = larger_BGRTD
        self._own_BGRTD[:, :, :, self._used] = new_BGRD
        self._used += 1
        return Branches(self._shared_BGKD, self._own_BGRTD[:, :, :, : self._used])

    def select(self, trees_B: Tensor, rows_BR: Tensor, columns_BK: Tensor) -> None:
        self._shared_BGKD = _taken(self._shared_BGKD, trees_B, columns_BK)
        if self._used:
            self._own_BGRTD = _taken(self._own_BGRTD, trees_B, rows_BR)


def _taken(values_BGND: Tensor, trees_B: Tensor, places_BN: Tensor) -> Tensor:
    """The `places_BN` of axis 2 of the trees `trees_B`, for all heads; further axes stay whole.

    `index_select` over flat rows copies each row at once, which `gather` does not.
    """
    _, groups, size, *row = values_BGND.shape  # for answers' own tokens, (T, D) instead of D
    heads_BG1 = (trees_B[:, None] * groups + torch.arange(groups, device=trees_B.device))[:, :, None]
    flat_BGN = heads_BG1 * size + places_BN[:, None]
    return values_BGND.reshape(-1, *row).index_select(0, flat_BGN.flatten()).view(*flat_BGN.shape, *row)
