"""How many answers a guesser chooses from."""

from __future__ import annotations

import pytest

from visplay.answers import guesses


@pytest.mark.parametrize(
    ("answer", "question", "expected"),
    [
        ("yes", "is it red?", 2),
        ("No.", "is it red?", 2),
        ("B", "which one? A. red B. blue C. green", 3),
        ("(a) red", "which one? (A) red (B) blue", 2),
        ("C", "which one?", 4),
        ("C", "is it vitamin C?", 4),
        ("red", "which colour?", None),
        ("3", "how many?", None),
        ("", "how many?", None),
    ],
)
def test_guesses(answer: str, question: str, expected: int | None) -> None:
    assert guesses(answer, question) == expected
