"""The growing cache must hold what concatenation would."""

from __future__ import annotations

import torch

from visplay.models.attention import Branches
from visplay.models.cache import TreeCache

GROUPS, SIZE, LAYERS = 2, 4, 2
# After these steps: trees, answers and shared nodes to keep.
SELECTIONS = {0: ([2, 0], [[4, 0, 1], [1, 1, 2]], [[0, 3, 8], [1, 1, 4]]), 40: ([1], [[2, 0]], [[0, 2]])}


def _new(*shape: int) -> torch.Tensor:
    return torch.randn(shape[0], GROUPS, *shape[1:], SIZE)


def test_updates_and_selections_equal_concatenation() -> None:
    torch.manual_seed(0)
    cache = TreeCache()
    shared = [_new(3, 9) for _ in range(LAYERS)]
    own = [torch.empty(3, GROUPS, 5, 0, SIZE) for _ in range(LAYERS)]
    for layer in range(LAYERS):
        keys, values = cache.update(shared[layer], -shared[layer], layer)
        assert keys is shared[layer] and torch.equal(values, -keys)
    # Long enough for buffers to grow, with two selections on the way.
    for step in range(80):
        for layer in range(LAYERS):
            token = _new(*own[layer].shape[::2][:2])
            own[layer] = torch.cat([own[layer], token[:, :, :, None]], dim=3)
            keys, values = cache.update(token, -token, layer)
            assert isinstance(keys, Branches) and isinstance(values, Branches)
            assert torch.equal(keys.shared_BGKD, shared[layer]) and torch.equal(keys.own_BGRTD, own[layer])
            assert torch.equal(values.shared_BGKD, -shared[layer]) and torch.equal(values.own_BGRTD, -own[layer])
        if step in SELECTIONS:
            trees, rows, columns = (torch.tensor(chosen) for chosen in SELECTIONS[step])
            cache.select(trees, rows, columns)
            shared = [torch.stack([s[t][:, c] for t, c in zip(trees, columns, strict=True)]) for s in shared]
            own = [torch.stack([o[t][:, r] for t, r in zip(trees, rows, strict=True)]) for o in own]
