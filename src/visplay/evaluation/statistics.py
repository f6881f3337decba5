"""Intervals of 95 % for accuracies and for changes of accuracy.

Images are independent draws, and questions about the same image are not. So where items share an image, the images are
resampled. Where none is shared, and where all images are alike, score intervals are used, which always have a width.
scipy is imported at first use, because the import takes most of a second.

Sources: Wilson 1927 (interval), Tango 1998 (paired score interval), Efron 1979 (bootstrap, percentile interval), Zou
and Donner 2008 (interval of a mean from the intervals of its parts), the exact sign test (McNemar's of 1947 where no
image is shared), Student 1908 (interval of a mean), Cohen 1960 (kappa), Guo et al. 2017, arXiv 1706.04599 (calibration,
equation 3), Fieller 1954 (interval of a ratio of means).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

_Z = 1.959963984540054  # 97.5 % of a standard normal variable lie below
_DRAWS = 4_000  # of a bootstrap, whose seed is fixed: the same marks always give the same interval
_BINS = 10

Images = Mapping[str, str]
"""The id of each item's image, by item id; an item that is missing here has an image of its own."""


class Interval(NamedTuple):
    """Both ends, in the unit of what the interval is about."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Accuracy after minus before on the same `n` items; `p_mcnemar` is of "as many images gained as lost"."""

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


def wilson_interval(correct: float, n: float) -> Interval:
    """Wilson score interval of a share, without continuity correction; ValueError for impossible counts."""
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"no interval for {correct} correct of {n} items; it needs 0 <= correct <= n and n >= 1")
    share = correct / n
    middle = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z / (1 + _Z * _Z / n) * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    # The ends are 0 and 1 exactly there, but for rounding.
    return Interval(0.0 if correct == 0 else middle - half, 1.0 if correct == n else middle + half)


def tango_interval(gained: float, lost: float, n: float) -> Interval:
    """Tango's score interval of (gained - lost) / n, for `n` pairs of which some were gained and some lost."""
    if n <= 0 or gained < 0 or lost < 0 or gained + lost > n * (1 + 1e-9):
        raise ValueError(f"no interval for {gained} gained and {lost} lost of {n} pairs")
    return Interval(_tango_end(gained, lost, n), -_tango_end(lost, gained, n))


def _tango_end(gained: float, lost: float, n: float) -> float:
    """The lowest change whose score statistic is at most z, by bisection."""
    low, high = -1.0, (gained - lost) / n
    for _ in range(60):
        change = (low + high) / 2
        linear = (2 * n - gained + lost) * change - gained - lost
        # The most probable share of lost pairs, if this is the change.
        share = (math.sqrt(max(0.0, linear**2 + 8 * n * lost * change * (1 - change))) - linear) / (4 * n)
        variance = n * max(0.0, 2 * share + change * (1 - change))
        low, high = (change, high) if gained - lost - n * change > _Z * math.sqrt(variance) else (low, change)
    return high


def accuracy_interval(marks: Mapping[str, bool], images: Images) -> Interval:
    """The interval of the share of right marks: of resampled images where items share one, else Wilson's."""
    counts = _by_image(marks, images)
    n = sum(number for _, number in counts)
    return _resampled(counts) or wilson_interval(sum(marks.values()) * n / len(marks), n)


def item_changes(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The change of each item's value, in the order of `before`.

    Raises:
        ValueError: there are no items, or the two arguments have different items.
    """
    if not before or before.keys() != after.keys():
        counts = f"{len(before)} before, {len(after)} after, {len(before.keys() & after.keys())} in common"
        raise ValueError(f"a paired difference needs the same items twice; got {counts}")
    return {item: after[item] - before[item] for item in before}


def paired_difference(before: Mapping[str, bool], after: Mapping[str, bool], images: Images) -> PairedDifference:
    """Compare two sets of marks (item id → right or wrong) of the same items; see `mean_change`."""
    return mean_change(item_changes(before, after), images)


def mean_change(changes: Mapping[str, float], images: Images) -> PairedDifference:
    """The mean of the items' changes, which are -1, 0 or 1.

    The interval is that of resampled images where items share one, else Tango's. The test compares the number of images
    that gained with the number that lost.
    """
    from scipy.stats import binomtest

    counts, n = _by_image(changes, images), len(changes)
    gained, lost = (sum(max(0.0, sign * change) for change in changes.values()) for sign in (1, -1))
    up, down = (sum(number for (total, _), number in counts if sign * total > 0) for sign in (1, -1))
    p = float(binomtest(up, up + down).pvalue) if up + down else 1.0
    n_images = sum(number for _, number in counts)
    # An item counts twice if two readers disagree about it both before and after.
    scale = n_images / max(n, gained + lost)
    interval = _resampled(counts) or tango_interval(gained * scale, lost * scale, n_images)
    return PairedDifference((gained - lost) / n, interval, p, n)


def _by_image(values: Mapping[str, float], images: Images) -> tuple[tuple[tuple[float, int], int], ...]:
    """Each sort of image, by the sum of its values and its number of items, with the number of such images."""
    sums: dict[tuple[bool, str], list[float]] = {}
    for item, value in values.items():
        # An id of an item may be that of another item's image.
        sums.setdefault((item in images, images.get(item, item)), []).append(value)
    return tuple(sorted(Counter((sum(each), len(each)) for each in sums.values()).items()))


@lru_cache(maxsize=1024)  # two readers often give the same marks
def _resampled(counts: tuple[tuple[tuple[float, int], int], ...]) -> Interval | None:
    """The bootstrap interval of the mean over items; None if no two items share an image, or all images are alike.

    A resample of the images matters only by how many of each sort it has, so the bootstrap draws these numbers.
    """
    if all(items == 1 for (_, items), _ in counts):
        return None
    numbers = np.array([number for _, number in counts])
    sums, items = np.array([sort for sort, _ in counts], dtype=np.float64).T
    drawn = np.random.default_rng(0).multinomial(numbers.sum(), numbers / numbers.sum(), size=_DRAWS)
    interval = _percentiles((drawn @ sums) / (drawn @ items))
    return interval if interval.low < interval.high else None


def mean_difference(before: Mapping[str, float], after: Mapping[str, float]) -> MeanDifference:
    """Compare two values of each item, with Student's interval, which has no bounds for a single item."""
    found = mean_over_seeds(list(item_changes(before, after).values()))
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


def share_over_seeds(parts: Sequence[float], wholes: Sequence[float]) -> SeedMean | None:
    """The mean of `parts` as a share of the mean of `wholes`, both in the order of the seeds.

    None if the mean of `wholes` is not above 0. The interval is Fieller's, from two seeds on; it is None where it has
    no bounds, because the mean of `wholes` may be 0.
    """
    from scipy.stats import t

    (part, whole), n = (float(np.mean(values)) for values in (parts, wholes)), len(wholes)
    if whole <= 0:
        return None
    if n == 1:
        return SeedMean(part / whole, None, 1)
    variances = np.cov(parts, wholes) * float(t.ppf(0.975, n - 1)) ** 2 / n
    # Between the roots of square · share² - 2 · linear · share + constant the share is not refuted.
    square, linear, constant = whole**2 - variances[1, 1], part * whole - variances[0, 1], part**2 - variances[0, 0]
    half = math.sqrt(max(0.0, linear**2 - square * constant))
    interval = Interval(float(linear - half) / square, float(linear + half) / square) if square > 0 else None
    return SeedMean(part / whole, interval, n)


def mean_of(parts: Sequence[MeanDifference | PairedDifference]) -> MeanDifference:
    """The plain mean of independent parts, each of which weighs the same, with an interval from those of the parts."""
    if not parts:
        raise ValueError("a mean needs at least one part")
    mean, n = float(np.mean([part.mean for part in parts])), sum(part.n for part in parts)
    below = math.hypot(*(part.mean - part.ci95[0] for part in parts)) / len(parts)
    above = math.hypot(*(part.ci95[1] - part.mean for part in parts)) / len(parts)
    return MeanDifference(mean, Interval(mean - below, mean + above), n)


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
