"""Sequences with shared prefixes, packed so that each distinct context is computed once.

In self-play, an image has many questions and each question many answers. A `TokenTree` is the trie of these sequences,
in depth-first order in one row. A token sees only its ancestors, so one forward pass over the row gives the same result
as one pass per sequence.

Shapes: B trees, L packed tokens, S sequences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True, slots=True)
class TokenTree:
    """A trie of token sequences in depth-first order; all arrays are int64.

    Attributes:
        ids_L: the token at each node.
        parent_L: index of the preceding node, -1 for the first token.
        depth_L: number of preceding tokens in the sequence.
        paths: for each input sequence, the node of each of its tokens.
    """

    ids_L: np.ndarray
    parent_L: np.ndarray
    depth_L: np.ndarray
    paths: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.ids_L)

    @classmethod
    def build(cls, sequences: Sequence[Sequence[int]]) -> TokenTree:
        """The tree of `sequences`, which begin with the same token; equal sequences share every node."""
        if not sequences or any(len(s) == 0 for s in sequences):
            raise ValueError("a token tree needs at least one sequence, and none may be empty")
        if len({s[0] for s in sequences}) > 1:
            raise ValueError("the sequences of a token tree must begin with the same token")
        rows: list[tuple[int, int, int]] = []  # token, parent and depth of each node
        paths: dict[int, np.ndarray] = {}
        # In sorted order, a sequence shares its longest prefix with its predecessor.
        previous: Sequence[int] = ()
        nodes: list[int] = []
        for index in sorted(range(len(sequences)), key=lambda i: tuple(sequences[i])):
            sequence = sequences[index]
            nodes = nodes[: _common_prefix(previous, sequence)]
            for depth in range(len(nodes), len(sequence)):
                parent = nodes[-1] if nodes else -1
                nodes.append(len(rows))
                rows.append((int(sequence[depth]), parent, depth))
            paths[index] = np.array(nodes, dtype=np.int64)
            previous = sequence
        ids_L, parent_L, depth_L = np.array(rows, dtype=np.int64).T.copy()
        return cls(ids_L, parent_L, depth_L, tuple(paths[i] for i in range(len(sequences))))

    def ends_L(self) -> np.ndarray:
        """Int64: the descendants of node i are the nodes i + 1 to ends_L[i] - 1, because the order is depth-first."""
        ends_L = np.arange(1, len(self) + 1)
        for node in range(len(self) - 1, 0, -1):
            parent = self.parent_L[node]
            ends_L[parent] = max(ends_L[parent], ends_L[node])
        return ends_L

    def ancestors_NL(self, nodes_N: np.ndarray) -> np.ndarray:
        """Bool (N, L): row i is True at node `nodes_N[i]` and at its ancestors."""
        seen_NL: np.ndarray = (np.arange(len(self)) <= nodes_N[:, None]) & (nodes_N[:, None] < self.ends_L())
        return seen_NL


@dataclass(frozen=True, slots=True)
class PackedTrees:
    """A batch of trees, padded on the right to the width of the largest.

    Attributes:
        ids_BL, depth_BL: int64; `pad_id` and 0 at padding.
        ends_BL: int64, see `TokenTree.ends_L`; token i sees token j if j <= i < ends[j]. A padding token sees only
            itself.
        valid_BL: bool, False at padding.
    """

    ids_BL: torch.Tensor
    depth_BL: torch.Tensor
    ends_BL: torch.Tensor
    valid_BL: torch.Tensor

    @classmethod
    def pack(cls, trees: Sequence[TokenTree], pad_id: int) -> PackedTrees:
        """The batch of `trees`, one per row."""

        def padded(rows: Iterable[np.ndarray], value: int) -> torch.Tensor:
            return pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True, padding_value=value)

        ids_BL = padded((tree.ids_L for tree in trees), pad_id)
        depth_BL = padded((tree.depth_L for tree in trees), 0)
        ends_BL = padded((tree.ends_L() for tree in trees), 0)
        valid_BL = ends_BL > 0
        return cls(ids_BL, depth_BL, ends_BL.where(valid_BL, torch.arange(1, ends_BL.shape[1] + 1)), valid_BL)

    @property
    def mask_B1LL(self) -> torch.Tensor:
        """Bool attention mask, dense."""
        nodes_L = torch.arange(self.ends_BL.shape[1])
        mask_BLL: torch.Tensor = (nodes_L <= nodes_L[:, None]) & (nodes_L[:, None] < self.ends_BL[:, None, :])
        return mask_BLL[:, None]


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(left), len(right)))
