"""Is a majority right as often as its votes agree?

The confidence of an answer is the share of all votes that fell on it (maj@k). Items are sorted into bins by it; the
expected calibration error is the mean gap between confidence and accuracy in a bin, weighed by the items in it.

Source: Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv 1706.04599), equation 3.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from visplay.evaluation.results import SuiteResult
from visplay.evaluation.statistics import Interval, percentile_interval, wilson_interval

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Items of a confidence above `low` and up to `high`; the lowest bin also holds a confidence of 0.

    Attributes:
        confidence: mean over its `n` items, at least one.
        accuracy, ci95: share of them answered right, with its Wilson interval.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float
    ci95: Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far confidence and accuracy lie apart.

    Attributes:
        error: expected calibration error, in [0, 1]; few items a bin make it larger than it is.
        ci95: its 95 % percentile interval under a bootstrap of items.
        n: items.
        bins: those that are not empty, from low to high.
    """

    error: float
    ci95: Interval
    n: int
    bins: tuple[Bin, ...]


def calibration(majority: SuiteResult, draws: int = 10_000, seed: int = 0) -> Calibration | None:
    """How well the shares of a suite's majorities foretell that they are right; None where no shares were kept."""
    shares = [mark.share for mark in majority.answered if mark.share is not None]
    if len(shares) < majority.n:
        return None
    # Shares are multiples of 1/k, so few pairs of share and mark differ: the bootstrap draws counts of them.
    pairs = Counter(zip(shares, (mark.correct for mark in majority.answered), strict=True))
    confidence = np.array([share for share, _ in pairs])
    correct = np.array([float(right) for _, right in pairs])
    # A share such as 0.3 is no exact binary number; what lies on an edge belongs to the bin below it.
    places = np.clip(np.ceil(np.round(confidence * BINS, 9)).astype(int) - 1, 0, BINS - 1)
    counts = np.array(list(pairs.values()))
    resampled = np.random.default_rng(seed).multinomial(majority.n, counts / majority.n, size=draws)
    return Calibration(
        error=float(_errors(counts[None], confidence, correct, places)[0]),
        ci95=percentile_interval(_errors(resampled, confidence, correct, places)),
        n=majority.n,
        bins=tuple(_bin(place, counts, confidence, correct, places) for place in sorted(set(places.tolist()))),
    )


def _errors(counts: np.ndarray, confidence: np.ndarray, correct: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The calibration error of each row of counts (rows, pairs): sums of |confidence - accuracy| over bins."""
    gaps = counts * (confidence - correct)
    error = sum(np.abs(gaps[:, places == place].sum(axis=1)) for place in range(BINS))
    return np.asarray(error / counts.sum(axis=1))


def _bin(place: int, counts: np.ndarray, confidence: np.ndarray, correct: np.ndarray, places: np.ndarray) -> Bin:
    inside = counts * (places == place)
    n, right = int(inside.sum()), int(inside @ correct)
    mean = float(inside @ confidence) / n
    return Bin(place / BINS, (place + 1) / BINS, n, mean, right / n, wilson_interval(right, n))
