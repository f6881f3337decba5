"""How sure an accuracy and a change of accuracy are.

Everything is about right-or-wrong answers: an interval for one share, a paired difference
on the same items, and a mean over seeds. Items are taken as independent draws; questions
that share an image are not quite that, so intervals are a little too narrow where a suite
asks many questions per image.

Sources: Wilson 1927 (interval), Efron 1979 (bootstrap, percentile interval), McNemar 1947
in its exact, binomial form, Cohen 1960 (kappa).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Interval(NamedTuple):
    """Both ends of an interval, in the unit of what it is about."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """True when zero lies strictly outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Accuracy after minus accuracy before, on the same items.

    Attributes:
        mean: the difference, a fraction in [-1, 1].
        ci95: 95 % percentile interval of the paired bootstrap.
        p_mcnemar: two-sided exact p-value of "as many items gained as lost".
        n: items compared.
    """

    mean: float
    ci95: Interval
    p_mcnemar: float
    n: int


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """Mean of a quantity after minus before, on the same items, with its 95 % interval."""

    mean: float
    ci95: Interval
    n: int


@dataclass(frozen=True, slots=True)
class SeedMean:
    """A mean over runs that differ in the seed alone; no interval from a single run."""

    mean: float
    ci95: Interval | None
    seeds: int


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a share, without continuity correction.

    Raises:
        ValueError: no items, or `correct` is not between 0 and `n`.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"no interval for {correct} correct of {n} items; it needs 0 <= correct <= n and n >= 1")
    z = float(_stats().norm.ppf((1 + confidence) / 2))
    share = correct / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The ends are 0 and 1 exactly there, but for rounding.
    return Interval(0.0 if correct == 0 else middle - half, 1.0 if correct == n else middle + half)


def paired_difference(
    before: Mapping[str, bool], after: Mapping[str, bool], draws: int = 10_000, seed: int = 0
) -> PairedDifference:
    """Compare two sets of marks (item id → right or wrong) of the same items.

    Drawing n items with replacement only matters through how many of them were gained,
    kept and lost, and these three counts are multinomial; so one call draws exactly what
    resampling item by item would, whatever n is.

    Args:
        draws: bootstrap samples.
        seed: of the bootstrap; the same marks always give the same interval.
    Raises:
        ValueError: no items, or the two are not about the same items.
    """
    if not before or before.keys() != after.keys():
        raise ValueError(
            f"a paired difference needs the same items twice; got {len(before)} before, {len(after)} after, "
            f"{len(before.keys() & after.keys())} in common"
        )
    n = len(before)
    gained = sum(after[item] and not before[item] for item in before)
    lost = sum(before[item] and not after[item] for item in before)
    shares = np.array([gained, n - gained - lost, lost]) / n
    counts = np.random.default_rng(seed).multinomial(n, shares, size=draws)
    interval = percentile_interval((counts[:, 0] - counts[:, 2]) / n)
    return PairedDifference((gained - lost) / n, interval, mcnemar(gained, lost), n)


def mean_difference(before: Mapping[str, float], after: Mapping[str, float]) -> MeanDifference:
    """Compare a quantity of the same items twice, with Student's interval; of a single item it is without bounds.

    Raises:
        ValueError: no items, or the two are not about the same items.
    """
    if not before or before.keys() != after.keys():
        raise ValueError(f"a difference needs the same items twice; got {len(before)} before, {len(after)} after")
    gaps = np.array([after[item] - before[item] for item in before])
    mean = float(gaps.mean())
    if len(gaps) == 1:
        return MeanDifference(mean, Interval(-math.inf, math.inf), 1)
    half = float(_stats().t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / math.sqrt(len(gaps)))
    return MeanDifference(mean, Interval(mean - half, mean + half), len(gaps))


def bootstrap_mean(values: Sequence[float], draws: int = 10_000, seed: int = 0) -> MeanDifference:
    """The mean of one value an item, such as the change of its mark, with the percentile interval of the bootstrap.

    Raises:
        ValueError: no items.
    """
    if not values:
        raise ValueError("no item to take a mean over")
    means = _resampled_means(values, draws, np.random.default_rng(seed))
    return MeanDifference(float(np.mean(values)), percentile_interval(means), len(values))


def bootstrap_macro_mean(values: Sequence[Sequence[float]], draws: int = 10_000, seed: int = 0) -> MeanDifference:
    """The plain mean of benchmarks' means, each benchmark resampled by itself; every benchmark weighs the same.

    Args:
        values: for each benchmark one value an item.
    Raises:
        ValueError: no benchmark, or one without items.
    """
    if not values or not all(values):
        raise ValueError("a macro mean needs at least one benchmark, and items in each")
    rng = np.random.default_rng(seed)
    means = np.mean([_resampled_means(each, draws, rng) for each in values], axis=0)
    mean = float(np.mean([np.mean(each) for each in values]))
    return MeanDifference(mean, percentile_interval(means), sum(len(each) for each in values))


def _resampled_means(values: Sequence[float], draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means of `draws` resamples, (draws,): few values differ, so counts of them are drawn in place of items."""
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    n = len(values)
    means: np.ndarray = rng.multinomial(n, counts / n, size=draws) @ distinct / n
    return means


def percentile_interval(draws: np.ndarray) -> Interval:
    """95 % percentile interval of bootstrap draws, (draws,)."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(low), float(high))


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact McNemar p-value; 1 when no item changed.

    Raises:
        ValueError: a negative count.
    """
    if gained < 0 or lost < 0:
        raise ValueError(f"items gained and lost are counts, not {gained} and {lost}")
    return float(_stats().binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0


def cohens_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Agreement of two judges beyond chance, at most 1; None without pairs, or where chance alone makes them agree.

    Source: Cohen 1960.
    """
    if not pairs:
        return None
    one, other = (sum(pair[judge] for pair in pairs) / len(pairs) for judge in (0, 1))
    by_chance = one * other + (1 - one) * (1 - other)
    agreed = sum(a == b for a, b in pairs) / len(pairs)
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def mean_over_seeds(values: Sequence[float]) -> SeedMean:
    """Mean of one figure a seed, with Student's 95 % interval from two seeds on.

    Raises:
        ValueError: no value.
    """
    if not values:
        raise ValueError("no seed to take a mean over")
    mean = float(np.mean(values))
    if len(values) == 1:
        return SeedMean(mean, None, 1)
    half = float(_stats().t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return SeedMean(mean, Interval(mean - half, mean + half), len(values))


def _stats() -> Any:
    """scipy.stats, imported at first use since that takes most of a second."""
    from scipy import stats

    return stats
