"""The growing cache must hold what concatenation would."""

from __future__ import annotations

import torch

from visplay.models.cache import TreeCache


def test_updates_and_selections_equal_concatenation() -> None:
    torch.manual_seed(0)
    cache = TreeCache()
    expected = [torch.empty(3, 2, 0, 4) for _ in range(2)]
    for step, new in enumerate([5, 2, 2, 7, 1]):
        for layer in range(2):
            keys = torch.randn(expected[layer].shape[0], 2, new, 4)
            expected[layer] = torch.cat([expected[layer], keys], dim=2)
            found_keys, found_values = cache.update(keys, -keys, layer)
            assert torch.equal(found_keys, expected[layer])
            assert torch.equal(found_values, -expected[layer])
        if step == 2:
            trees, columns = torch.tensor([2, 0]), torch.tensor([[0, 3, 8], [1, 1, 4]])
            cache.select(trees, columns)
            expected = [torch.stack([e[t][:, c] for t, c in zip(trees, columns, strict=True)]) for e in expected]
