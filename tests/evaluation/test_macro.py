"""The plain mean over benchmarks: what it is over, and how sure it is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from visplay.evaluation.grading import Answered
from visplay.evaluation.macro import benchmarks, macro_gain, macro_mean
from visplay.evaluation.results import SuiteResult
from visplay.evaluation.statistics import bootstrap_macro_mean, bootstrap_mean


def suite(name: str, marks: list[bool], items: str = "") -> SuiteResult:
    answered = tuple(Answered(f"{items or name}/{n}", "x", mark, True) for n, mark in enumerate(marks))
    return SuiteResult(name, answered)


def results(*suites: SuiteResult) -> dict[str, SuiteResult]:
    return {each.name: each for each in suites}


def test_each_benchmark_weighs_the_same_and_no_item_counts_twice() -> None:
    large, small = suite("easy_vqa", [True] * 90 + [False] * 10), suite("own", [False, True, False, False])
    part = suite("easy_vqa_open", [True] * 5, items="easy_vqa")
    looks = [suite(f"lab/color/{look}", [True, False]) for look in ("clean", "noisy")]
    found = results(large, part, small, *looks)
    assert list(benchmarks(found)) == ["easy_vqa", "own", "lab/color"]
    mean = macro_mean(found)
    assert mean.mean == pytest.approx((0.9 + 0.25 + 0.5) / 3) and mean.n == 108
    assert mean.ci95.low < mean.mean < mean.ci95.high


def test_the_interval_is_that_of_independent_means() -> None:
    shares, sizes = (0.3, 0.6, 0.9), (400, 900, 2500)
    values = [[n < share * size for n in range(size)] for share, size in zip(shares, sizes, strict=True)]
    found = bootstrap_macro_mean(values)
    deviation = math.sqrt(sum(p * (1 - p) / n for p, n in zip(shares, sizes, strict=True))) / 3
    assert found.ci95 == pytest.approx((0.6 - 1.96 * deviation, 0.6 + 1.96 * deviation), abs=deviation / 10)


def test_a_bootstrap_of_counts_is_one_of_items() -> None:
    changes = [1] * 30 + [0] * 60 + [-1] * 10
    rng = np.random.default_rng(1)
    means = rng.choice(changes, (4000, 100)).mean(axis=1)
    found = bootstrap_mean(changes)
    assert found.mean == pytest.approx(0.2) and found.n == 100
    assert found.ci95 == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)
    for nothing in ([], [[1], []]):
        with pytest.raises(ValueError, match=r"no item|needs at least one"):
            bootstrap_mean([]) if not nothing else bootstrap_macro_mean(nothing)


def test_a_macro_difference_is_paired_and_of_the_same_items() -> None:
    before = results(suite("a", [False, False, True, True]), suite("b", [True] * 10))
    after = results(suite("a", [True, True, True, False]), suite("b", [True] * 10))
    found = macro_gain(after, before)
    assert found.total.mean == pytest.approx(0.125) and (found.answer, found.format) == (None, None)
    with pytest.raises(ValueError, match="no macro difference"):
        macro_gain(after, results(suite("a", [True] * 4)))
    with pytest.raises(ValueError, match="same items twice"):
        macro_gain(after, results(suite("a", [True] * 5), suite("b", [True] * 10)))
