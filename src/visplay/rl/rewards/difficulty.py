"""Difficulty of a question, from the agreement of the votes."""

from __future__ import annotations


def difficulty(confidence: float, unboxed: float = 0.0) -> float:
    """r_unc = 1 − |2c − 1|, in [0, 1]: 1 at c = 0.5, 0 at c = 0 and c = 1 (arXiv 2511.15661).

    `unboxed` is the share u of votes without an answer. They are no disagreement: r_unc is at most 2(1 − c − u), twice
    the share of votes for other answers.
    """
    agreed = 1.0 - abs(2.0 * checked_share(confidence) - 1.0)
    return max(0.0, min(agreed, 2.0 * (1.0 - confidence - unboxed)))


def above_chance(confidence: float, options: int) -> float:
    """(c − 1/k) / (1 − 1/k), at least 0: the confidence above that of guessing among k options."""
    if options < 2:
        raise ValueError(f"chance correction needs at least 2 options, not {options}")
    return max(0.0, (checked_share(confidence) - 1 / options) / (1 - 1 / options))


def checked_share(confidence: float) -> float:
    """`confidence`; ValueError if it is outside [0, 1] or not a number."""
    if not 0.0 <= confidence <= 1.0:
        raise ValueError(f"confidence {confidence} is not within [0, 1]; pass the majority's share of the votes")
    return confidence
