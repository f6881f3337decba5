"""The Reasoner's reward: agreement with the silver answer, and a format score."""

from __future__ import annotations

from visplay.answers import extract_boxed, match
from visplay.rl.rewards.validity import format_score


def accuracy(given: str | None, silver: str) -> float:
    """1.0 if `given` matches the silver answer, else 0.0; None (no box) never matches."""
    return float(given is not None and match(given, silver))


def reasoner_reward(text: str, silver: str, format_weight: float = 0.0) -> float:
    """(1 − w) · accuracy of the boxed answer + w · format score, in [0, 1].

    Args:
        text: the whole completion.
        format_weight: w, in [0, 1]; 0 in the paper, 0.1 in its published code.
    Raises:
        ValueError: `format_weight` is outside [0, 1].
    """
    if not 0.0 <= format_weight <= 1.0:
        raise ValueError(f"format_weight {format_weight} is not within [0, 1]; it is the share of the format reward")
    return (1.0 - format_weight) * accuracy(extract_boxed(text), silver) + format_weight * format_score(text)
