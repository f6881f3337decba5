from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.rl.rewards import chance_corrected_reward, official_questioner_reward, questioner_reward
from visplay.rl.rewards.difficulty import above_chance, difficulty, in_band

SHARES = st.floats(0, 1)


@pytest.mark.parametrize(("confidence", "expected"), [(0, 0), (0.25, 0.5), (0.5, 1), (0.75, 0.5), (1, 0)])
def test_difficulty_peaks_where_votes_split_evenly(confidence: float, expected: float) -> None:
    assert difficulty(confidence) == expected


@given(SHARES)
def test_difficulty_is_symmetric_and_bounded(confidence: float) -> None:
    assert 0 <= difficulty(confidence) <= 1
    assert difficulty(confidence) == pytest.approx(difficulty(1 - confidence))


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    for reward in (questioner_reward, official_questioner_reward):
        with pytest.raises(ValueError, match="confidence"):
            reward(True, confidence, 0.0)
    with pytest.raises(ValueError, match="confidence"):
        in_band(confidence, 0.0, 1.0)


def test_paper_reward() -> None:
    assert questioner_reward(True, 0.5, 0.125) == 0.875
    assert questioner_reward(True, 0.75, 0.25) == 0.25
    assert questioner_reward(True, 1.0, 0.5) == 0.0
    assert questioner_reward(False, 0.5, 0.125) == 0.0


def test_official_reward() -> None:
    assert official_questioner_reward(True, 0.75, 0.5) == -0.25
    assert official_questioner_reward(True, 0.5, 0.125) == 0.375
    assert official_questioner_reward(False, 0.5, 0.25) == -1.25


@given(SHARES, SHARES, SHARES)
def test_an_invalid_question_never_pays(confidence: float, other: float, share: float) -> None:
    assert questioner_reward(False, confidence, share) <= questioner_reward(True, other, share)
    assert official_questioner_reward(False, confidence, share) < official_questioner_reward(True, other, share)


@pytest.mark.parametrize(
    ("confidence", "options", "expected"),
    [
        (0.5, 2, 0.0),  # the paper's best question is a coin
        (0.75, 2, 0.875),
        (1.0, 2, 0.0),
        (0.25, 4, 0.0),
        (0.625, 4, 0.875),
        (0.5, None, 0.875),
    ],
)
def test_honest_reward(confidence: float, options: int | None, expected: float) -> None:
    assert chance_corrected_reward(True, confidence, options, 0.125) == expected
    assert chance_corrected_reward(False, confidence, options, 0.125) == 0.0


@given(SHARES, st.none() | st.integers(2, 8), SHARES, SHARES)
def test_an_honest_reward_is_a_share_that_falls_with_what_was_asked_already(
    confidence: float, options: int | None, share: float, more: float
) -> None:
    paid = chance_corrected_reward(True, confidence, options, share)
    assert 0 <= chance_corrected_reward(True, confidence, options, share + more) <= paid <= 1
    if options is not None and confidence <= 1 / options:
        assert paid == 0


def test_band_includes_its_ends() -> None:
    assert [c for c in (0.2, 0.25, 0.5, 0.75, 0.8) if in_band(c, 0.25, 0.75)] == [0.25, 0.5, 0.75]
    assert in_band(3 / 10, 0.3, 0.8) and in_band(8 / 10, 0.3, 0.8)
    with pytest.raises(ValueError, match="above"):
        in_band(0.5, 0.75, 0.25)


@pytest.mark.parametrize(("confidence", "options", "expected"), [(0.5, 2, 0), (0.75, 2, 0.5), (0.1, 4, 0), (1, 3, 1)])
def test_agreement_above_chance(confidence: float, options: int, expected: float) -> None:
    assert above_chance(confidence, options) == expected
    with pytest.raises(ValueError, match="at least 2"):
        above_chance(confidence, 1)
