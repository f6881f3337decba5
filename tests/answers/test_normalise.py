from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert (normalise("5 cm").value, normalise("5 cm").unit) == (5, "length")
    assert (normalise("3 cats").value, normalise("3 cats").unit) == (3, "cat")
    assert (normalise("1/3").value, normalise("1/3").unit) == (Fraction(1, 3), "")
    assert normalise("red").value is None


@pytest.mark.parametrize(
    ("left", "right"), [("5 cm", "50mm"), ("A", "(a)"), ("on the left", "Left."), ("0.50", "1/2"), ("Cats", "a cat")]
)
def test_equal_answers_have_equal_keys(left: str, right: str) -> None:
    assert normalise(left).key == normalise(right).key


@given(st.text(alphabet="ab13 .%-cmyesno()", max_size=12), st.text(alphabet="ab13 .%-cmyesno()", max_size=12))
def test_equal_keys_match(left: str, right: str) -> None:
    if left.strip() and normalise(left).key == normalise(right).key:
        assert match(left, right)
