"""Intervals and paired differences against independent formulas and plain resampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, ttest_rel

from visplay.evaluation.statistics import (
    mean_difference,
    mean_over_seeds,
    paired_difference,
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
    found = paired_difference(named(before), named(after), draws=500)
    assert found.mean == pytest.approx(np.mean(after) - np.mean(before))
    assert found.n == len(pairs)
    assert -1 <= found.ci95.low <= found.ci95.high <= 1
    assert 0 < found.p_mcnemar <= 1


@given(MARKS, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_items_does_not_matter(pairs: list[tuple[bool, bool]], random: object) -> None:
    before, after = (named([pair[side] for pair in pairs]) for side in (0, 1))
    names = list(after)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert paired_difference(before, after) == paired_difference(before, {name: after[name] for name in names})


def test_the_interval_is_that_of_resampling_item_by_item() -> None:
    random = np.random.default_rng(3)
    before = random.random(300) < 0.6
    after = np.where(random.random(300) < 0.3, random.random(300) < 0.8, before)
    difference = after.astype(int) - before.astype(int)
    resampled = difference[random.integers(0, 300, size=(20_000, 300))].mean(axis=1)
    expected = np.quantile(resampled, [0.025, 0.975])
    found = paired_difference(named(before.tolist()), named(after.tolist()), draws=20_000)
    assert found.ci95 == pytest.approx(tuple(expected), abs=1.01 / 300)
    # And the normal interval is close by at such an n.
    half = 1.96 * difference.std() / math.sqrt(300)
    assert found.ci95 == pytest.approx((difference.mean() - half, difference.mean() + half), abs=0.01)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        outcome = random.choice([1, 0, -1], p=[0.15, 0.75, 0.10], size=400)
        before, after = named((outcome == -1).tolist()), named((outcome == 1).tolist())
        low, high = paired_difference(before, after, draws=1000).ci95
        hits += low <= 0.05 <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_no_change_is_a_certain_zero() -> None:
    same = named([True, False, True])
    found = paired_difference(same, same)
    assert (found.mean, tuple(found.ci95), found.p_mcnemar) == (0.0, (0.0, 0.0), 1.0)


def test_a_paired_difference_wants_the_same_items() -> None:
    with pytest.raises(ValueError, match="same items twice; got 1 before, 1 after, 0 in common"):
        paired_difference({"a": True}, {"b": True})
    with pytest.raises(ValueError, match="same items"):
        paired_difference({}, {})


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_twice_the_smaller_tail(gained: int, lost: int) -> None:
    changed = gained + lost
    tail = binom.cdf(min(gained, lost), changed, 0.5)
    before, after = named([False] * gained + [True] * lost + [True]), named([True] * gained + [False] * lost + [True])
    assert paired_difference(before, after).p_mcnemar == pytest.approx(min(1.0, 2 * tail), rel=1e-9)
    assert paired_difference(after, before).p_mcnemar == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


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
