"""A token tree must be its sequences, no more and no less."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from visplay.models.token_tree import PackedTrees, TokenTree

# Few different tokens, so that prefixes are often shared; all begin with the same one.
SEQUENCES = st.lists(st.lists(st.integers(0, 2), max_size=8).map(lambda tail: [7, *tail]), min_size=1, max_size=8)


@given(SEQUENCES)
def test_paths_spell_the_sequences_in_their_order(sequences: list[list[int]]) -> None:
    tree = TokenTree.build(sequences)
    assert [tree.ids_L[path].tolist() for path in tree.paths] == sequences


@given(SEQUENCES)
def test_one_node_for_each_distinct_prefix(sequences: list[list[int]]) -> None:
    prefixes = {tuple(s[: i + 1]) for s in sequences for i in range(len(s))}
    assert len(TokenTree.build(sequences)) == len(prefixes)


@given(SEQUENCES)
def test_parents_precede_children_and_depth_counts_them(sequences: list[list[int]]) -> None:
    tree = TokenTree.build(sequences)
    assert tree.parent_L[0] == -1 and tree.depth_L[0] == 0
    for node in range(1, len(tree)):
        assert 0 <= tree.parent_L[node] < node
        assert tree.depth_L[node] == tree.depth_L[tree.parent_L[node]] + 1


@given(SEQUENCES)
def test_a_node_sees_its_prefix_and_nothing_else(sequences: list[list[int]]) -> None:
    tree = TokenTree.build(sequences)
    mask_LL = tree.ancestors_NL(np.arange(len(tree)))
    for path in tree.paths:
        for depth, node in enumerate(path):
            assert np.flatnonzero(mask_LL[node]).tolist() == sorted(path[: depth + 1].tolist())


@given(st.lists(SEQUENCES, min_size=1, max_size=3))
def test_packing_keeps_trees_apart_from_padding(batch: list[list[list[int]]]) -> None:
    trees = [TokenTree.build(sequences) for sequences in batch]
    packed = PackedTrees.pack(trees, pad_id=9)
    assert packed.valid_BL.sum(1).tolist() == [len(tree) for tree in trees]
    assert (packed.ids_BL[~packed.valid_BL] == 9).all()
    for row, tree in enumerate(trees):
        size = len(tree)
        assert torch.equal(packed.ids_BL[row, :size], torch.from_numpy(tree.ids_L))
        assert torch.equal(packed.depth_BL[row, :size], torch.from_numpy(tree.depth_L))
        mask_LL = packed.mask_B1LL[row, 0]
        assert torch.equal(mask_LL[:size, :size], torch.from_numpy(tree.ancestors_NL(np.arange(len(tree)))))
        assert not mask_LL[:size, size:].any()
        assert torch.equal(mask_LL[size:], torch.eye(mask_LL.shape[0], dtype=torch.bool)[size:])


@pytest.mark.parametrize("sequences", [[], [[]], [[1], []], [[1, 2], [2, 2]]])
def test_what_is_no_tree_is_refused(sequences: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="token tree"):
        TokenTree.build(sequences)
