"""Both ways of attending over a tree say what plain attention under its dense mask says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_mask
from torch.nn.functional import scaled_dot_product_attention

from visplay.models.attention import Branches, block_mask, flex_agrees, flex_runs, tree_attention
from visplay.models.token_tree import PackedTrees, TokenTree

HEADS, GROUPS, SIZE = 4, 2, 8
TREES = [
    TokenTree.build([[1, 2, 3, 4], [1, 2, 3, 5, 6], [1, 2, 7], [1, 8, 9, 10, 11]]),
    TokenTree.build([[1, 2], [1, 3, 4]]),
]


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def _plain(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    repeat = query.shape[1] // keys.shape[1]
    keys, values = (x.repeat_interleave(repeat, dim=1) for x in (keys, values))
    scores = (query @ keys.mT * SIZE**-0.5).masked_fill(~mask, float("-inf"))
    return (scores.softmax(-1) @ values).transpose(1, 2)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_a_block_mask_is_the_dense_mask() -> None:
    packed = PackedTrees.pack(TREES, pad_id=0)
    width = packed.ids_BL.shape[1]
    query, keys, values = (_random(2, n, width, SIZE) for n in (HEADS, GROUPS, GROUPS))
    found, _ = tree_attention(torch.nn.Identity(), query, keys, values, block_mask(packed.ends_BL))
    torch.testing.assert_close(found, _plain(query, keys, values, packed.mask_B1LL))


def test_answers_attend_to_shared_nodes_and_their_own_tokens() -> None:
    batch, rows, shared, own = 3, 5, 7, 4
    query = _random(batch, HEADS, rows, SIZE)
    keys, values = (
        Branches(
            _random(batch, GROUPS, shared, SIZE + n)[..., n:], _random(batch, GROUPS, rows, own + n, SIZE)[..., n:, :]
        )
        for n in (0, 1)
    )
    sees = _random(batch, 1, rows, shared) > 0
    sees[0, 0, 0] = False  # a row that ended sees its own tokens only
    additive = torch.zeros(sees.shape).masked_fill(~sees, float("-inf"))
    found, _ = tree_attention(torch.nn.Identity(), query, keys, values, additive, scaling=SIZE**-0.5)
    for row in range(rows):
        whole = [torch.cat([x.shared_BGKD, x.own_BGRTD[:, :, row]], dim=2) for x in (keys, values)]
        mask = torch.cat([sees[:, :, row : row + 1], torch.ones(batch, 1, 1, own, dtype=torch.bool)], dim=-1)
        expected = _plain(query[:, :, row : row + 1], *whole, mask)
        torch.testing.assert_close(found[:, row : row + 1], expected)


def test_flex_attention_is_for_gpus() -> None:
    assert not flex_runs(torch.device("cpu"), torch.float32, HEADS, GROUPS, SIZE)


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_a_pass_without_gradients_does_not_switch_flex_attention_off(
    monkeypatch: pytest.MonkeyPatch, without: type[torch.no_grad]
) -> None:
    """A model's probe is the first to ask. A dense kernel stands in for FlexAttention, which a CPU does not train."""

    def dense(query: Tensor, keys: Tensor, values: Tensor, mask: BlockMask, scale: float | None) -> Tensor:
        seen = create_mask(mask.mask_mod, 1, 1, query.shape[2], keys.shape[2], device="cpu")
        return scaled_dot_product_attention(query, keys, values, attn_mask=seen, enable_gqa=True).transpose(1, 2)

    monkeypatch.setattr("visplay.models.attention._fused", dense)
    with without():
        assert flex_agrees(torch.device("cpu"), torch.float32, HEADS, GROUPS, SIZE)
