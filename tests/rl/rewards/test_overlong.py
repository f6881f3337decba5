"""The penalty of long answers, by the cases of DAPO's equation 13."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.rl.rewards.completion import overlong_penalty


@given(st.integers(1, 2000), st.integers(1, 1000), st.integers(1, 1000))
def test_the_three_cases(tokens: int, buffer: int, free: int) -> None:
    limit = free + buffer
    if tokens <= limit - buffer:
        expected = 0.0
    elif tokens <= limit:
        expected = ((limit - buffer) - tokens) / buffer
    else:
        expected = -1.0
    assert overlong_penalty(tokens, limit, buffer) == pytest.approx(expected)


def test_no_buffer_is_no_penalty() -> None:
    assert overlong_penalty(10, 10, 0) == 0
