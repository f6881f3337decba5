from __future__ import annotations

from fractions import Fraction

import pytest

from visplay.answers import match, normalise


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("(b)", "letter"),
        ("B. red", "letter"),
        ("Yes, it is.", "yes/no"),
        ("5 cm", "number"),
        ("twenty-one cats", "number"),
        ("50%", "number"),
        ("a cat", "phrase"),
        ("3 or 4", "phrase"),
        ("", "phrase"),
    ],
)
def test_kind(answer: str, kind: str) -> None:
    assert normalise(answer).kind == kind


def test_a_number_keeps_its_value_and_unit() -> None:
    for answer, value, unit in (("5 cm", 5, "length"), ("3 cats", 3, "cat"), ("1/3", Fraction(1, 3), "")):
        quantity = normalise(answer).quantity
        assert quantity is not None and (quantity.value, quantity.unit) == (value, unit)
    assert normalise("red").quantity is None


@pytest.mark.parametrize("answer", ["[", "]", "(", "'", "{", "-", ".", ",", "?!"])
def test_signs_alone_are_an_answer_like_any_other(answer: str) -> None:
    assert match(answer, answer) and not match(answer, "two")
