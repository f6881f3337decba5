"""The calibration error against the sum it is defined by, and what is known of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visplay.evaluation.grading import Mark, commonest
from visplay.evaluation.statistics import calibration

from .truth_table import said_aloud

VOTES = st.lists(st.tuples(st.integers(0, 10).map(lambda n: n / 10), st.booleans()), min_size=1, max_size=60)


@given(VOTES)
@settings(max_examples=50)
def test_the_error_is_the_weighed_gap_of_the_bins(votes: list[tuple[float, bool]]) -> None:
    found = calibration(votes)
    gap = 0.0
    for tenth in range(1, 11):
        # A bin holds its upper edge; the lowest one also 0.
        inside = [(s, r) for s, r in votes if round(s * 10) == tenth or (tenth == 1 and s == 0)]
        if inside:
            gap += len(inside) * abs(np.mean([s for s, _ in inside]) - np.mean([r for _, r in inside]))
    assert found["error"] == pytest.approx(gap / len(votes))
    assert sum(each["n"] for each in found["bins"]) == found["n"] == len(votes)
    assert found["error"] == pytest.approx(
        sum(b["n"] * abs(b["confidence"] - b["accuracy"]) for b in found["bins"]) / found["n"]
    )
    assert all(
        b["ci95"][0] <= b["accuracy"] <= b["ci95"][1] and b["low"] - 1e-9 <= b["confidence"] <= b["high"] + 1e-9
        for b in found["bins"]
    )


def test_a_model_as_right_as_it_is_sure_has_no_error_and_an_overconfident_one_has() -> None:
    sure = calibration([(0.75, n % 4 > 0) for n in range(400)] + [(1.0, True)] * 100)
    assert sure["error"] == pytest.approx(0) and sure["ci95"].low == pytest.approx(0, abs=0.005)
    vain = calibration([(1.0, n % 2 == 0) for n in range(400)])
    assert vain["error"] == pytest.approx(0.5)
    assert vain["ci95"] == pytest.approx((0.451, 0.549), abs=0.01)
    [only] = vain["bins"]
    assert (only["low"], only["high"], only["n"], only["accuracy"]) == (0.9, 1.0, 400, 0.5)


def test_shares_are_those_of_the_vote() -> None:
    draws = [Mark("i", c.text[-5:-1], False, True, text=c.text) for c in map(said_aloud, ("blue", "blue", "teal"))]
    mark = commonest([*draws, Mark("i", None, False, False, text="hm")])
    assert (mark.given, mark.share, len(mark.draws)) == ("blue", 0.5, 4)
