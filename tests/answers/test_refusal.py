"""What declines to answer, and what only looks like it."""

from __future__ import annotations

import pytest

from visplay.answers import is_refusal


@pytest.mark.parametrize(
    "answer",
    [
        "unknown",
        "Unknown.",
        "\\text{unknown}",
        "N/A",
        "unanswerable",
        "cannot be determined",
        "It cannot be determined from the image",
        "can't tell",
        "not enough information",
        "insufficient information to say",
        "Not visible in the image",
        "impossible to determine",
        "I don't know",
        "it is unclear",
    ],
)
def test_refusals(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize(
    "answer",
    ["no", "none", "0", "not red", "nothing", "a cannon", "unknown soldier", "clear", "B", "", "no dogs"],
)
def test_answers(answer: str) -> None:
    assert not is_refusal(answer)
