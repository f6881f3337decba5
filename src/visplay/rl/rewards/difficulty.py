"""How hard a question is, judged by how much the votes agree."""

from __future__ import annotations


def difficulty(confidence: float) -> float:
    """r_unc = 1 − |2c − 1|, in [0, 1]: 1 at c = 0.5, 0 where all votes agree or none (arXiv 2511.15661).

    Raises:
        ValueError: `confidence` is no share.
    """
    return 1.0 - abs(2.0 * checked_share(confidence) - 1.0)


def in_band(confidence: float, low: float, high: float) -> bool:
    """True when low ≤ c ≤ high: the question is neither hopeless nor already known.

    Raises:
        ValueError: `low` is above `high`, or `confidence` is no share.
    """
    if not low <= high:
        raise ValueError(f"band: low {low} is above high {high}; swap them")
    return low <= checked_share(confidence) <= high


def above_chance(confidence: float, options: int) -> float:
    """(c − 1/k) / (1 − 1/k), at least 0: what agreement is left when k options are guessed among.

    Raises:
        ValueError: fewer than two options, or `confidence` is no share.
    """
    if options < 2:
        raise ValueError(f"{options} options leave nothing to guess; pass at least 2")
    return max(0.0, (checked_share(confidence) - 1 / options) / (1 - 1 / options))


def checked_share(confidence: float) -> float:
    """`confidence`, known to be within [0, 1].

    Raises:
        ValueError: it is outside or not a number.
    """
    if not 0.0 <= confidence <= 1.0:
        raise ValueError(f"confidence {confidence} is not within [0, 1]; pass the majority's share of the votes")
    return confidence
