"""Properties of equality on answers that are built from parts."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from visplay.answers import match, normalise, vote

NUMBERS = st.integers(-99, 99)
SMALL = st.integers(1, 30)
UNITS = (
    "m",
    "cm",
    "mm",
    "km",
    "kg",
    "g",
    "s",
    "h",
    "W",
    "kW",
    "MW",
    "mW",
    "V",
    "A",
    "Hz",
    "GB",
    "Gb",
    "L",
    "mL",
    "°C",
    "N",
)
OPTIONS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WRITINGS = (
    "{0}",
    "({0})",
    "{0}.",
    "**{0}**",
    "{0}. {1}",
    "({0}) {1}",
    "{0}) {1}",
    "**{0}.** {1}",
    "{0} ({1})",
    "{0}、{1}",
)
TEXTS = ("red", "10 cm", "a dog", "红色", "not visible")


@settings(max_examples=60, deadline=None)
@given(NUMBERS, SMALL, NUMBERS, SMALL)
def test_fractions_are_equal_as_numbers_are(a: int, b: int, c: int, d: int) -> None:
    assert match(rf"\frac{{{a}}}{{{b}}}", f"{c}/{d}") is (a * d == c * b)


@settings(max_examples=60, deadline=None)
@given(st.text("0123456789", min_size=2, max_size=6), st.data(), st.sampled_from("^_"))
def test_where_a_group_ends_counts(digits: str, data: st.DataObject, script: str) -> None:
    cut = data.draw(st.integers(1, len(digits) - 1))
    whole, parted = f"x{script}{{{digits}}}", f"x{script}{{{digits[:cut]}}}{digits[cut:]}"
    same = script == "^" and int(digits) == int(digits[:cut]) and int(digits[cut:]) == 1
    assert match(whole, whole) and match(whole, parted) is match(parted, whole)
    assert not match(whole, parted) or same or int(digits[cut:]) in (0, 1)


@settings(max_examples=60, deadline=None)
@given(SMALL, SMALL, SMALL)
def test_roots_are_equal_if_their_squares_are(a: int, b: int, c: int) -> None:
    assert match(rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{c}}}") is (a * a * b == c)
    assert match(rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{a * a * b}}}")


@given(SMALL, st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_other_units_make_other_quantities(value: int, one: str, other: str) -> None:
    assert match(f"{value} {one}", f"{value} {other}") is (one == other)
    assert match(f"{value} {one}", rf"{value}\text{{ {one}}}")


@given(st.sampled_from(OPTIONS), st.sampled_from(OPTIONS), st.data())
def test_options_are_equal_by_letter_in_any_writing(one: str, other: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    left, right = (data.draw(st.sampled_from(WRITINGS)).format(letter, text) for letter in (one, other))
    assert match(left, right) is (one == other)


@given(st.sets(st.sampled_from(OPTIONS[:8]), min_size=1, max_size=4), st.sets(st.sampled_from(OPTIONS[:8]), min_size=1))
def test_several_options_are_equal_as_sets(left: set[str], right: set[str]) -> None:
    shown = (", ".join(sorted(left, reverse=True)), " and ".join(sorted(right)))
    assert match(*shown) is (left == right)


@given(SMALL, SMALL, SMALL, SMALL)
def test_ranges_and_ratios_keep_their_order(a: int, b: int, c: int, d: int) -> None:
    assert match(f"{a}-{b}", f"{c} to {d}") is ((a, b) == (c, d))
    assert match(f"{a} : {b}", f"{c} to {d}") is ((a, b) == (c, d))
    assert not match(f"{a}-{b}", f"{a} : {b}")
    assert not match(f"{a}-{b}", f"{a}{b}")


@given(st.integers(1900, 2099), st.integers(1, 12), st.integers(1, 28))
def test_dates_are_equal_in_any_writing(year: int, month: int, day: int) -> None:
    name = "January February March April May June July August September October November December".split()[month - 1]
    writings = (f"{name} {day}, {year}", f"{day} {name[:3]} {year}", f"{year}-{month:02d}-{day:02d}")
    assert all(match(writings[0], other) for other in writings)
    assert not match(writings[0], f"{name} {day}, {year + 1}") and not match(
        writings[0], f"{name} {day % 28 + 1}, {year}"
    )


LATEX = st.lists(
    st.sampled_from(
        r"\frac \sqrt { } [ ] ^ _ \left( \right) \text{ cm} \pi x 1 23 + - = , \, \! \circ \begin{pmatrix} & \\ "
        r"\end{pmatrix} \overline \binom \sin \log \pm \infty | ! % $ \boxed{ √ ² ₃ ½ ∪ ≤ < or and to : A. (B)".split(
            " "
        )
    ),
    max_size=12,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(LATEX, LATEX)
@example(r"_\\", "")
@example(r"[!\end{pmatrix}", "!")
def test_broken_latex_is_equal_to_itself_alone_and_never_raises(left: str, right: str) -> None:
    assert match(left, left) is bool(left.strip())
    assert match(left, right) is match(right, left)


@pytest.mark.parametrize(
    "unit",
    [
        r"\frac", r"\sqrt[", r"\text{", r"\begin{a}", "^{", "_", "x^{2}", "(", "[1,", "1.1 ", "1-", "1:", "A, ",
        "A. b ",
        "**", "__a", "'", '5"', "= ", "x = 1, ", " or ", "∪", "a-", "1/", "!", "|", "½", "₂", "²", "<", "mm ",
        "1 m ", "Mar ", "CO", "Aa", "、", "。",
    ],
)  # fmt: skip
def test_takes_linear_time_on_long_input(unit: str) -> None:
    begun = time.process_time()
    for length in (100, 199, 400, 100_000):
        long = "x" + unit * (length // len(unit))
        assert match(long, long) and not match(long, "blue")
    assert time.process_time() - begun < 4


def test_a_vote_of_plain_answers_takes_no_time() -> None:
    answers = ["A. red", "B", "A", "3 cats", "yes", "on the left", "5 cm", "A"]
    vote(answers)
    begun = time.perf_counter()
    for _ in range(200):
        vote(answers)
    assert (time.perf_counter() - begun) / 200 < 1e-3, "0.1 ms as a rule; a busy machine takes longer"


@pytest.mark.parametrize("answer", ["", "x", "5 cm", "A. red", r"\frac{1}{2}"])
def test_the_same_answer_is_read_once(answer: str) -> None:
    assert normalise(answer) is normalise(answer)
