"""Log-probabilities and entropies of given tokens, from hidden states.

Logits are computed in chunks, and only for tokens that are scored, so their memory does not grow.

Shapes: B rows, L tokens of a row, H hidden size, V vocabulary, M distinct scored tokens, S sequences, T scored tokens
of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from visplay.models.token_tree import TokenTree

# Largest number of logits in a chunk.
CHUNK_NUMBERS = 2**24

# From hidden states (M, H) to next-token logits, float32 (M, V), which the caller may keep or drop.
Logits = Callable[[Tensor], Tensor]


class TokenScores(NamedTuple):
    """Scores of the sequences of all trees, in order, padded on the right.

    Attributes:
        logprobs_ST: float32, natural-log probability of each token at the requested temperature, 0 at padding.
        entropy_ST: float32, entropy in nats of the token's distribution; with a gradient only if requested.
        mask_ST: bool, False at padding.
    """

    logprobs_ST: Tensor
    entropy_ST: Tensor
    mask_ST: Tensor


def token_scores(
    hidden_BLH: Tensor,
    logits: Logits,
    vocabulary: int,
    trees: Sequence[TokenTree],
    starts: Sequence[Sequence[int]],
    entropy_gradient: bool = False,
    temperature: float = 1.0,
) -> TokenScores:
    """Scores of the tokens of each sequence from its start on, with gradients for the hidden states and `logits`.

    Args:
        logits: the model's own, see `TreeModel.logits`.
        vocabulary: the number of logits of a token.
        trees: one per row of `hidden_BLH`.
        starts: for each tree, for each sequence, the first token to score, at least 1.
        entropy_gradient: whether the entropy has a gradient too, which costs a little.
        temperature: greater than 0; the scored distribution is softmax(logits / temperature).
    """
    wanted = _wanted(trees, starts, width=hidden_BLH.shape[1])
    ids_M, parents_M, inverse, mask_ST = (torch.from_numpy(array).to(hidden_BLH.device) for array in wanted)
    scores_M2 = score_tokens(
        hidden_BLH.flatten(0, 1)[parents_M], ids_M, logits, vocabulary, entropy_gradient, temperature
    )
    padded_ST2 = scores_M2.new_zeros(*mask_ST.shape, 2)
    padded_ST2[mask_ST] = scores_M2[inverse]
    entropy_ST = padded_ST2[..., 1] if entropy_gradient else padded_ST2[..., 1].detach()
    return TokenScores(padded_ST2[..., 0], entropy_ST, mask_ST)


def _wanted(trees: Sequence[TokenTree], starts: Sequence[Sequence[int]], width: int) -> tuple[np.ndarray, ...]:
    """The distinct tokens to score, and their places; a token that sequences share is scored once.

    Token `n` of row `b` has the number `b * width + n`.

    Returns:
        ids_M; parents_M, the numbers of the preceding tokens, which predict them; for each token where mask_ST is True,
        its place among the M; and mask_ST, False at padding.
    """
    ids_BL, parents_BL = np.zeros((2, len(trees), width), dtype=np.int64)
    spans: list[np.ndarray] = []
    for row, (tree, firsts) in enumerate(zip(trees, starts, strict=True)):
        ids_BL[row, : len(tree)] = tree.ids_L
        parents_BL[row, : len(tree)] = row * width + tree.parent_L
        for path, first in zip(tree.paths, firsts, strict=True):
            if not 1 <= first < len(path):
                raise ValueError(f"cannot score a sequence of {len(path)} tokens from token {first} on")
            spans.append(row * width + path[first:])
    nodes_M, inverse = np.unique(np.concatenate(spans), return_inverse=True)
    lengths_S = np.array([len(span) for span in spans])
    mask_ST = np.arange(lengths_S.max()) < lengths_S[:, None]
    return ids_BL.ravel()[nodes_M], parents_BL.ravel()[nodes_M], inverse, mask_ST


def score_tokens(
    hidden_MH: Tensor,
    ids_M: Tensor,
    logits: Logits,
    vocabulary: int,
    entropy_gradient: bool,
    temperature: float = 1.0,
) -> Tensor:
    """Log-probability and entropy, (M, 2); the backward pass recomputes the logits of each chunk."""
    size = max(1, CHUNK_NUMBERS // vocabulary)
    rest = (logits, entropy_gradient, temperature)
    if len(ids_M) <= size:
        return _score_chunk(hidden_MH, ids_M, *rest)
    chunks = zip(hidden_MH.split(size), ids_M.split(size), strict=True)
    return torch.cat([checkpoint(_score_chunk, h, i, *rest, use_reentrant=False) for h, i in chunks])


def _score_chunk(
    hidden_MH: Tensor, ids_M: Tensor, logits: Logits, entropy_gradient: bool, temperature: float
) -> Tensor:
    logits_MV = logits(hidden_MH)
    if temperature != 1:
        # Not in place, because a family's last operation may need its result for the gradient.
        logits_MV = logits_MV / temperature
    logprobs_MV = logits_MV.log_softmax(-1)
    chosen_M = logprobs_MV.gather(1, ids_M[:, None])[:, 0]
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        entropy_M = -(logprobs_MV.exp() * logprobs_MV).sum(-1)
    return torch.stack([chosen_M, entropy_M], dim=-1)
