"""Soft overlong punishment (DAPO, arXiv 2503.14476, equation 13)."""

from __future__ import annotations


def overlong_penalty(tokens: int, max_tokens: int, buffer: int) -> float:
    """The penalty for a completion's length, from 0 to -1, which is added to its reward.

    It is 0 up to `max_tokens - buffer` tokens, then decreases linearly to -1 at `max_tokens`.

    Args:
        tokens: length of the completion.
        max_tokens: the length limit of sampling.
        buffer: tokens below the limit that are penalised; 0 for no penalty.
    """
    if buffer == 0:
        return 0.0
    return max(-1.0, min(0.0, (max_tokens - buffer - tokens) / buffer))
