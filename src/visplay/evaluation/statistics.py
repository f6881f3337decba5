"""Intervals of 95 % for accuracies and for changes of accuracy.

Items are treated as independent draws. Questions that share an image are not quite independent, so intervals are a
little too narrow if a suite asks many questions per image. scipy is imported at first use, because the import takes
most of a second.

Sources: Wilson 1927 (interval), Efron 1979 (bootstrap, percentile interval), McNemar 1947 in its exact, binomial form,
Student 1908 (interval of a mean), Cohen 1960 (kappa), Guo et al. 2017, arXiv 1706.04599 (calibration, equation 3).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

_Z = 1.959963984540054  # 97.5 % of a standard normal variable lie below
_DRAWS = 10_000  # of a bootstrap, whose seed is fixed: the same marks always give the same interval
_BINS = 10


class Interval(NamedTuple):
    """Both ends, in the unit of what the interval is about."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Accuracy after minus before on the same `n` items; `p_mcnemar` is of "as many items gained as lost"."""

    mean: float
    ci95: Interval
    p_mcnemar: float
    n: int


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """Mean of a quantity, or of its change, over `n` items."""

    mean: float
    ci95: Interval
    n: int


@dataclass(frozen=True, slots=True)
class SeedMean:
    """A mean over runs that differ in the seed alone; no interval from a single run."""

    mean: float
    ci95: Interval | None
    seeds: int


def wilson_interval(correct: int, n: int) -> Interval:
    """Wilson score interval of a share, without continuity correction; ValueError for impossible counts."""
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"no interval for {correct} correct of {n} items; it needs 0 <= correct <= n and n >= 1")
    share = correct / n
    middle = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z / (1 + _Z * _Z / n) * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    # The ends are 0 and 1 exactly there, but for rounding.
    return Interval(0.0 if correct == 0 else middle - half, 1.0 if correct == n else middle + half)


def item_changes(before: Mapping[str, float], after: Mapping[str, float]) -> list[float]:
    """The change of each item's value, in the order of `before`.

    Raises:
        ValueError: there are no items, or the two arguments have different items.
    """
    if not before or before.keys() != after.keys():
        counts = f"{len(before)} before, {len(after)} after, {len(before.keys() & after.keys())} in common"
        raise ValueError(f"a paired difference needs the same items twice; got {counts}")
    return [after[item] - before[item] for item in before]


def paired_difference(before: Mapping[str, bool], after: Mapping[str, bool], draws: int = _DRAWS) -> PairedDifference:
    """Compare two sets of marks (item id → right or wrong) of the same items, with a bootstrap of `draws` samples.

    A resample of the items matters only by its numbers of gained, kept and lost items. These numbers are multinomial,
    so the bootstrap draws three counts instead of items.
    """
    from scipy.stats import binomtest

    changes = item_changes(before, after)
    n, gained, lost = len(changes), changes.count(1), changes.count(-1)
    shares = np.array([gained, n - gained - lost, lost]) / n
    counts = np.random.default_rng(0).multinomial(n, shares, size=draws)
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return PairedDifference((gained - lost) / n, _percentiles((counts[:, 0] - counts[:, 2]) / n), p, n)


def mean_difference(before: Mapping[str, float], after: Mapping[str, float]) -> MeanDifference:
    """Compare two values of each item, with Student's interval, which has no bounds for a single item."""
    found = mean_over_seeds(item_changes(before, after))
    return MeanDifference(found.mean, found.ci95 or Interval(-math.inf, math.inf), len(before))


def mean_over_seeds(values: Sequence[float]) -> SeedMean:
    """Mean over seeds, with Student's interval from two seeds on; ValueError without values."""
    from scipy.stats import t

    if not values:
        raise ValueError("no seed to take a mean over")
    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return SeedMean(mean, None, 1)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return SeedMean(mean, Interval(mean - half, mean + half), n)


def bootstrap_mean(groups: Sequence[Sequence[float]]) -> MeanDifference:
    """The plain mean of the groups' means, each group of items resampled by itself: every group weighs the same."""
    if not groups or not all(groups):
        raise ValueError("a bootstrap mean needs at least one group, and items in each")
    rng = np.random.default_rng(0)
    resampled = []
    for values in groups:
        # There are few distinct values, so the bootstrap draws their counts instead of items.
        distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
        resampled.append(rng.multinomial(len(values), counts / len(values), size=_DRAWS) @ distinct / len(values))
    mean = float(np.mean([np.mean(values) for values in groups]))
    return MeanDifference(mean, _percentiles(np.mean(resampled, axis=0)), sum(map(len, groups)))


def calibration(votes: Iterable[tuple[float, bool]]) -> dict[str, Any]:
    """Whether majorities are right as often as their votes agree. Each item has a share of votes and a mark.

    Returns:
        "error", the expected calibration error: the mean distance between confidence and accuracy in a bin, weighted by
        items; it is too large if bins have few items. "ci95" is its bootstrap interval, "n" the number of items. "bins"
        has the bins with items: "low", "high", "n", the mean "confidence", "accuracy" and its Wilson interval "ci95".
    """
    # Shares are multiples of 1/k, so few votes differ: the bootstrap draws counts of them.
    counted = Counter(votes)
    confidence, correct = np.array(list(counted), dtype=np.float64).T
    counts, n = np.array(list(counted.values())), counted.total()
    # A share such as 0.3 is no exact binary number. A value at an edge is in the bin below it; 0 is in the lowest bin.
    places = np.clip(np.ceil(np.round(confidence * _BINS, 9)).astype(int) - 1, 0, _BINS - 1)

    def errors(counts: np.ndarray) -> np.ndarray:
        gaps = counts * (confidence - correct)
        return np.asarray(sum(np.abs(gaps[:, places == place].sum(axis=1)) for place in range(_BINS)) / n)

    bins = []
    for place in sorted(set(places.tolist())):
        inside = counts * (places == place)
        items, right = int(inside.sum()), int(inside @ correct)
        shares = {"confidence": float(inside @ confidence) / items, "accuracy": right / items}
        edges = {"low": place / _BINS, "high": (place + 1) / _BINS}
        bins.append({**edges, "n": items, **shares, "ci95": wilson_interval(right, items)})
    resampled = np.random.default_rng(0).multinomial(n, counts / n, size=_DRAWS)
    return {"error": float(errors(counts[None])[0]), "ci95": _percentiles(errors(resampled)), "n": n, "bins": bins}


def cohens_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Agreement of two judges beyond chance, at most 1; None without pairs, or where chance alone makes them agree."""
    if not pairs:
        return None
    one, other = (sum(pair[judge] for pair in pairs) / len(pairs) for judge in (0, 1))
    by_chance = one * other + (1 - one) * (1 - other)
    agreed = sum(a == b for a, b in pairs) / len(pairs)
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def _percentiles(draws: np.ndarray) -> Interval:
    return Interval(*map(float, np.quantile(draws, [0.025, 0.975])))
