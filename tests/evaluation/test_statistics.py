"""Intervals and paired differences against independent formulas and plain resampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, ttest_1samp, ttest_rel

from visplay.evaluation.statistics import (
    PairedDifference,
    accuracy_interval,
    mean_change,
    mean_difference,
    mean_of,
    mean_over_seeds,
    paired_difference,
    share_over_seeds,
    tango_interval,
    wilson_interval,
)

MARKS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200)


def named(marks: list[bool]) -> dict[str, bool]:
    return {f"item {position}": mark for position, mark in enumerate(marks)}


@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy_and_holds_the_share(counts: tuple[int, int]) -> None:
    correct, n = counts
    interval = wilson_interval(correct, n)
    assert interval == pytest.approx(tuple(binomtest(correct, n).proportion_ci(method="wilson")), abs=1e-12)
    assert 0 <= interval.low <= correct / n <= interval.high <= 1


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_solve_its_equation(counts: tuple[int, int]) -> None:
    correct, n = counts
    for end in wilson_interval(correct, n):
        # The ends are the shares p whose score statistic |x/n - p| / sqrt(p (1 - p) / n) is z.
        assert abs(correct / n - end) == pytest.approx(1.959963984540054 * math.sqrt(end * (1 - end) / n), abs=1e-9)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="0 <= correct <= n"):
        wilson_interval(correct, n)


@given(MARKS)
@settings(max_examples=50)
def test_paired_difference_is_the_difference_of_accuracies(pairs: list[tuple[bool, bool]]) -> None:
    before, after = ([pair[side] for pair in pairs] for side in (0, 1))
    found = paired_difference(named(before), named(after), {})
    assert found.mean == pytest.approx(np.mean(after) - np.mean(before))
    assert found.n == len(pairs)
    assert -1 <= found.ci95.low <= found.mean <= found.ci95.high <= 1 and found.ci95.low < found.ci95.high
    assert 0 < found.p_mcnemar <= 1


@given(MARKS, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_items_does_not_matter(pairs: list[tuple[bool, bool]], random: object) -> None:
    before, after = (named([pair[side] for pair in pairs]) for side in (0, 1))
    names = list(after)
    random.shuffle(names)  # type: ignore[attr-defined]
    images = {name: str(len(name)) for name in names[: len(names) // 2]}
    shuffled = ({name: marks[name] for name in names} for marks in (before, after))
    assert paired_difference(before, after, images) == paired_difference(*shuffled, images)


def test_the_interval_is_that_of_resampling_item_by_item() -> None:
    random = np.random.default_rng(3)
    before = random.random(300) < 0.6
    after = np.where(random.random(300) < 0.3, random.random(300) < 0.8, before)
    difference = after.astype(int) - before.astype(int)
    resampled = difference[random.integers(0, 300, size=(20_000, 300))].mean(axis=1)
    expected = np.quantile(resampled, [0.025, 0.975])
    found = paired_difference(named(before.tolist()), named(after.tolist()), {})
    assert found.ci95 == pytest.approx(tuple(expected), abs=2.01 / 300)
    # And the normal interval is close by at such an n.
    half = 1.96 * difference.std() / math.sqrt(300)
    assert found.ci95 == pytest.approx((difference.mean() - half, difference.mean() + half), abs=0.01)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        outcome = random.choice([1, 0, -1], p=[0.15, 0.75, 0.10], size=400)
        before, after = named((outcome == -1).tolist()), named((outcome == 1).tolist())
        low, high = paired_difference(before, after, {}).ci95
        hits += low <= 0.05 <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_no_change_is_not_certain() -> None:
    same = named([True, False, True])
    found = paired_difference(same, same, {})
    end = 1.959963984540054**2 / (3 + 1.959963984540054**2)
    assert (found.mean, found.p_mcnemar) == (0.0, 1.0) and found.ci95 == pytest.approx((-end, end))


# Tango's interval. The first is the example of Fagerland, Lydersen and Laake 2014 (airway reactivity, Bentur 2009).
@pytest.mark.parametrize(("gained", "lost", "n", "expected"), [(1, 7, 21, (-0.517, -0.026))])
def test_tango_is_the_published_interval(gained: int, lost: int, n: int, expected: tuple[float, float]) -> None:
    assert tango_interval(gained, lost, n) == pytest.approx(expected, abs=0.0005)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))))
@settings(max_examples=40)
def test_tango_ends_solve_its_equation(counts: tuple[int, int, int]) -> None:
    gained, lost, n = counts
    if gained + lost > n:
        with pytest.raises(ValueError, match="no interval for"):
            tango_interval(gained, lost, n)
        return

    def statistic(change: float) -> float:
        """The score statistic at a change, with the nuisance share found by a search for the highest likelihood."""

        def unlikely(share: float) -> float:
            shares = (share + change, share, 1 - 2 * share - change)
            parts = zip((gained, lost, n - gained - lost), shares, strict=True)
            return -sum(count * math.log(max(p, 1e-300)) for count, p in parts if count)

        low, high = max(0.0, -change), (1 - change) / 2
        share = minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
        return (gained - lost - n * change) / math.sqrt(n * (2 * share + change * (1 - change)))

    interval, mean = tango_interval(gained, lost, n), (gained - lost) / n
    assert -1 <= interval.low <= mean <= interval.high <= 1 and interval.low < interval.high
    for end, z, limit in ((interval.low, 1.96, -1), (interval.high, -1.96, 1)):
        if end != limit:
            outside, inside = (min(max(end + gap, -1 + 1e-9), 1 - 1e-9) for gap in (0.001 * limit, -0.001 * limit))
            assert abs(statistic(outside)) > abs(z) - 0.01 > abs(statistic(inside)) - 0.03


# Images that several items share


def by_image(sums: list[tuple[int, int]]) -> tuple[dict[str, bool], dict[str, str]]:
    """Marks and images, from the number of right items and of items of each image."""
    marks = {f"{i}/{k}": k < right for i, (right, items) in enumerate(sums) for k in range(items)}
    return marks, {item: item.split("/")[0] for item in marks}


def slow_bootstrap(values: dict[str, float], images: dict[str, str], draws: int = 4000) -> np.ndarray:
    """Resampled means, image by image."""
    groups: dict[str, list[float]] = {}
    for item, value in values.items():
        groups.setdefault(images[item], []).append(value)
    listed, random = list(groups.values()), np.random.default_rng(7)
    means = []
    for _ in range(draws):
        taken = [listed[place] for place in random.integers(0, len(listed), len(listed))]
        means.append(sum(map(sum, taken)) / sum(map(len, taken)))
    return np.array(means)


def shared_marks(
    random: np.random.Generator, images: int, items: int, better: float = 0.0
) -> tuple[dict[str, bool], dict[str, bool], dict[str, str]]:
    """Marks before and after, where an image is as hard for all its items, and changes for all of them alike.

    The share that is right is 0.6 before; a mean of `better` more is right after. The intraclass correlation of the
    marks is 0.25, about that of easy-vqa, whose standard errors are 1.5 times those of independent items.
    """
    hard = random.beta(0.6 * 3, 0.4 * 3, images)
    gains = random.beta(better * 3, (1 - better) * 3, images) if better else np.zeros(images)
    before = random.random((images, items)) < hard[:, None]
    after = before | (random.random((images, items)) < gains[:, None])
    sides = ({f"{i}/{k}": bool(marks[i, k]) for i in range(images) for k in range(items)} for marks in (before, after))
    names = {f"{i}/{k}": f"{i}" for i in range(images) for k in range(items)}
    return next(sides), next(sides), names


def test_the_interval_by_image_is_that_of_a_slow_bootstrap() -> None:
    before, after, images = shared_marks(np.random.default_rng(5), 60, 6, better=0.2)
    del before["0/1"], after["0/1"]  # not all images have the same number of items
    for values, found in (
        (before, accuracy_interval(before, images)),
        ({item: after[item] - before[item] for item in before}, paired_difference(before, after, images).ci95),
    ):
        means = slow_bootstrap({item: float(value) for item, value in values.items()}, images)
        assert found == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.1 * (found.high - found.low))


def test_intervals_cover_the_truth_where_items_share_an_image_and_independent_ones_do_not() -> None:
    random, runs = np.random.default_rng(0), 300
    hits = dict.fromkeys(("accuracy", "change", "accuracy, independent", "change, independent"), 0)
    for _ in range(runs):
        before, after, images = shared_marks(random, 100, 10, better=0.2)
        for name, of in (("", images), (", independent", {})):
            low, high = accuracy_interval(before, of)
            hits[f"accuracy{name}"] += low <= 0.6 <= high
            low, high = paired_difference(before, after, of).ci95
            hits[f"change{name}"] += low <= 0.4 * 0.2 <= high  # those that were wrong, and are answered better now
    shares = {name: found / runs for name, found in hits.items()}
    assert 0.9 <= shares["accuracy"] <= 0.97 and 0.9 <= shares["change"] <= 0.97, shares
    assert shares["accuracy, independent"] < 0.85 and shares["change, independent"] < 0.9, shares


def test_images_that_are_all_alike_count_once_each() -> None:
    marks, images = by_image([(4, 4)] * 30)
    assert accuracy_interval(marks, images) == wilson_interval(30, 30)
    assert paired_difference(marks, marks, images).ci95 == tango_interval(0, 0, 30)
    half, images = by_image([(2, 4)] * 30)
    none = dict.fromkeys(half, False)
    assert accuracy_interval(half, images) == wilson_interval(15, 30)
    assert paired_difference(none, half, images).ci95 == tango_interval(15, 0, 30)
    one, images = by_image([(3, 4)])
    assert accuracy_interval(one, images) == wilson_interval(0.75, 1)


def test_items_without_an_image_are_their_own_image() -> None:
    marks, _ = by_image([(n % 5, 4) for n in range(40)])
    alone = {item: item for item in marks}
    assert accuracy_interval(marks, {}) == accuracy_interval(marks, alone) == wilson_interval(80, 160)
    # The id of an item may be the id of an image.
    assert accuracy_interval({"a": True, "b": True}, {"b": "a"}) == wilson_interval(2, 2)


def test_the_test_of_a_change_counts_images() -> None:
    before, images = by_image([(0, 5)] * 4 + [(2, 5)] * 3)
    after, _ = by_image([(5, 5)] * 4 + [(1, 5)] + [(2, 5)] * 2)
    assert paired_difference(before, after, images).p_mcnemar == pytest.approx(binomtest(4, 5).pvalue)
    assert paired_difference(before, after, {}).p_mcnemar == pytest.approx(binomtest(20, 21).pvalue)


def test_an_item_that_counts_twice_is_no_error() -> None:
    found = mean_change({"a": 2, "b": -2}, {})
    assert found.mean == 0 and found.ci95.low == pytest.approx(-found.ci95.high)


def test_the_interval_of_a_mean_of_suites_is_that_of_resampling_each() -> None:
    random = np.random.default_rng(2)
    suites = [shared_marks(random, images, items, better) for images, items, better in ((40, 8, 0.2), (200, 1, 0.05))]
    found = mean_of([paired_difference(*suite) for suite in suites])
    changes = [{item: float(after[item]) - before[item] for item in before} for before, after, _ in suites]
    means = [slow_bootstrap(each, images) for each, (_, _, images) in zip(changes, suites, strict=True)]
    assert found.mean == pytest.approx(np.mean([np.mean(list(each.values())) for each in changes]))
    assert found.n == 520
    expected = np.quantile(np.mean(means, axis=0), [0.025, 0.975])
    assert found.ci95 == pytest.approx(expected, abs=0.1 * (expected[1] - expected[0]))
    with pytest.raises(ValueError, match="at least one part"):
        mean_of([])


def test_the_mean_of_a_single_suite_is_the_suite() -> None:
    part = PairedDifference(0.1, tango_interval(30, 10, 200), 0.5, 200)
    found = mean_of([part])
    assert (found.mean, found.n) == (0.1, 200) and found.ci95 == pytest.approx(part.ci95)


def test_a_paired_difference_wants_the_same_items() -> None:
    with pytest.raises(ValueError, match="same items twice; got 1 before, 1 after, 0 in common"):
        paired_difference({"a": True}, {"b": True}, {})
    with pytest.raises(ValueError, match="same items"):
        paired_difference({}, {}, {})


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_twice_the_smaller_tail(gained: int, lost: int) -> None:
    changed = gained + lost
    tail = binom.cdf(min(gained, lost), changed, 0.5)
    before, after = named([False] * gained + [True] * lost + [True]), named([True] * gained + [False] * lost + [True])
    assert paired_difference(before, after, {}).p_mcnemar == pytest.approx(min(1.0, 2 * tail), rel=1e-9)
    assert paired_difference(after, before, {}).p_mcnemar == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_mean_over_seeds_by_hand() -> None:
    found = mean_over_seeds([0.05, 0.06, 0.10])
    half = 4.302652729696142 * math.sqrt(((0.02**2) + (0.01**2) + (0.03**2)) / 2) / math.sqrt(3)
    assert found.mean == pytest.approx(0.07)
    assert found.ci95 == pytest.approx((0.07 - half, 0.07 + half))
    assert mean_over_seeds([0.05]).ci95 is None
    with pytest.raises(ValueError, match="no seed"):
        mean_over_seeds([])


def test_a_mean_difference_has_students_interval() -> None:
    before = {"a": 0.5, "b": 1.0, "c": 0.25, "d": 0.75}
    after = {"d": 1.0, "c": 0.5, "b": 1.0, "a": 0.25}
    found = mean_difference(before, after)
    expected = ttest_rel([after[k] for k in before], list(before.values())).confidence_interval(0.95)
    assert found.mean == pytest.approx(0.0625) and found.n == 4
    assert tuple(found.ci95) == pytest.approx((expected.low, expected.high))


GAINS = st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1)), min_size=2, max_size=60)


@given(GAINS)
@settings(max_examples=50)
def test_a_mean_difference_is_that_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    before, after = ({f"item {n}": pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    gaps = [later - earlier for earlier, later in pairs]
    found = mean_difference(before, dict(reversed(after.items())))
    assert found.mean == pytest.approx(np.mean(gaps), abs=1e-12) and found.n == len(pairs)
    if np.std(gaps) > 1e-6:  # of gaps that are all the same scipy makes no interval
        expected = ttest_rel(list(after.values()), list(before.values())).confidence_interval(0.95)
        assert tuple(found.ci95) == pytest.approx(tuple(expected), rel=1e-6, abs=1e-9)
    back = mean_difference(after, before)
    assert (back.mean, *back.ci95) == pytest.approx((-found.mean, -found.ci95.high, -found.ci95.low), abs=1e-12)


def test_a_mean_difference_that_is_the_same_everywhere_is_certain() -> None:
    found = mean_difference({"a": 0.5, "b": 1.0}, {"a": 0.25, "b": 0.75})
    assert (found.mean, *found.ci95) == (-0.25, -0.25, -0.25)


def test_of_one_item_nothing_is_sure() -> None:
    found = mean_difference({"a": 1.0}, {"a": 0.0})
    assert found.mean == -1.0 and tuple(found.ci95) == (-math.inf, math.inf)


def test_a_mean_difference_needs_the_same_items() -> None:
    for before, after in (({}, {}), ({"a": 1.0}, {"b": 1.0})):
        with pytest.raises(ValueError, match="the same items"):
            mean_difference(before, after)


@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_the_ends_of_a_share_over_seeds_are_the_shares_that_a_t_test_just_allows(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wholes = rng.normal(1, 0.3, n)
    parts = 0.5 * wholes + rng.normal(0, 0.1, n)
    found = share_over_seeds(list(parts), list(wholes))
    if wholes.mean() <= 0:
        assert found is None
        return
    assert found is not None and found.mean == pytest.approx(parts.sum() / wholes.sum()) and found.seeds == n
    if ttest_1samp(wholes, 0).pvalue > 0.05:
        assert found.ci95 is None, "the share has no bounds if the whole may be nothing"
        return
    assert found.ci95 is not None and found.ci95.low <= found.mean <= found.ci95.high
    for end in found.ci95:
        assert ttest_1samp(parts - end * wholes, 0).pvalue == pytest.approx(0.05, rel=1e-4)


def test_a_share_of_one_seed_has_no_interval_and_a_share_of_a_loss_is_none() -> None:
    alone = share_over_seeds([0.1], [0.4])
    assert alone is not None and alone.mean == pytest.approx(0.25) and alone.ci95 is None
    assert share_over_seeds([0.1, 0.2], [0.1, -0.2]) is None
