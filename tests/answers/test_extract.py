from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.answers import extract_boxed


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{3}", "3"),
        (r"so \boxed{ 3 cats } it is", "3 cats"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\boxed {3}", "3"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"} {\boxed{3}", "3"),
        (r"\boxed{3} and then \boxed{4", "3"),
        (r"\\boxed{3}", "3"),
        (r"\boxed{}", None),
        (r"\boxed{1} \boxed{  }", None),
        (r"\boxed{3", None),
        (r"\boxed 3", None),
        ("3", None),
        ("", None),
    ],
)
def test_takes_the_last_balanced_box(text: str, answer: str | None) -> None:
    assert extract_boxed(text) == answer


@given(st.text(), st.text(alphabet="ab {}", max_size=20))
def test_finds_what_was_boxed(before: str, content: str) -> None:
    depth = 0
    for sign in content:
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            break
    if depth == 0 and not before.endswith("\\"):
        assert extract_boxed(f"{before}\\boxed{{{content}}}") == (content.strip() or None)


def test_deep_nesting_is_no_trouble() -> None:
    assert extract_boxed("\\boxed{" * 15_000 + "3" + "}" * 15_000) == "3"
