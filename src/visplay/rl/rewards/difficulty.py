"""Difficulty of a question, from the agreement of the votes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from visplay.answers import counted, match


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


def disagreement(answers: Sequence[str | None]) -> float:
    """The probability that two answers drawn with replacement are given and differ, in [0, 1).

    Σ over i ≠ j of p_i p_j, where p_i is an answer's share of all `answers`. A missing answer differs from none.
    """
    counts = [count for _, count in counted(answers)]
    return (sum(counts) ** 2 - sum(count**2 for count in counts)) / len(answers) ** 2 if answers else 0.0


def entropy(answers: Sequence[str | None]) -> float:
    """Shannon entropy H = −Σ p_i ln p_i of the given answers in nats; 0 without any."""
    counts = [count for _, count in counted(answers)]
    return -sum(count / sum(counts) * math.log(count / sum(counts)) for count in counts)


def share_of(answer: str | None, answers: Sequence[str | None]) -> float:
    """The share of `answers`, given or not, that mean the same as `answer`; 0 for None."""
    if answer is None or not answers:
        return 0.0
    return sum(other is not None and match(other, answer) for other in answers) / len(answers)
