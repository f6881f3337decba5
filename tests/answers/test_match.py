"""Which answers say the same, and which must never be taken for one another."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from visplay.answers import match

SAME = r"""
A | A. red
A | (a)
A | A) red
A | option A
A | a
A | A.
A | [A]
A | **A**
A | The answer is A.
A | (A) red
A | A: red
A. red | Option A: red
A. red | red
B | Answer: B
B. 3 cats | three
C | \boxed{C}
C | \text{C}
yes | Yes.
yes | YES!
yes | Yes, there is a cat.
no | No, it is not
no | nope
no | No there isn't
3 | 3 cats
3 cats | three
3 cats | 3 cat
3 | There are 3 cats.
3 | three
3 | There are three cats in the image.
3 | I see 3 cats
x = 5 | 5
A.red | A
knives | a knife
25% | \frac{1}{4}
60 inches | 5 feet
3 | 3.0
3 | 3.
3 | +3
3 | (3)
3 | about 3
3 | $3$
3 | \(3\)
-3 | −3
-3 | minus 3
-3 | negative three
50% | 0.5
50% | 50 percent
50\% | 0.50
50 % | 1/2
1,000 | 1000
1,234,567 | 1234567
1{,}000 | 1000
1,\!000 | 1 000
12.50 | 12.5
.5 | 0.5
1/2 | 0.5
1/2 | one half
1/2 | ½
1 1/2 | 1.5
2½ | 2.5
\frac{1}{2} | 0.5
-\frac{1}{2} | -0.5
1\frac{1}{2} | 1.5
\dfrac{3}{4} | 75%
\frac12 | 1/2
2/3 | two thirds
2/4 | 1/2
1e3 | 1000
1.5e-3 | 0.0015
1.5 \times 10^{3} | 1500
1.5 × 10³ | 1500
10^3 | 1000
6.02e23 | 6.022e23
0.33 | 1/3
0.17 | 1/6
3.14 | 3.14159
33.33% | 1/3
$5 | 5
$5 | 5 dollars
$1,000.50 | 1000.5
-$5 | $-5
€5 | 5 euros
50 cents | $0.50
5\,\text{cm} | 5 cm
5\text{cm} | 5cm
5 cm | 50 mm
5 cm | 5 centimeters
5 cm | 5
1 km | 1000 metres
1 kg | 1000 grams
2 hours | 120 min
3.6 km/h | 1 m/s
60 mph | 60 miles per hour
5 m² | 5 square meters
5 m^{2} | 5 sq m
90° | 90 degrees
90^\circ | 90
90^{\circ} | 90°
20°C | 20 degrees Celsius
2 million | 2,000,000
twenty-one | 21
two hundred and five | 205
one thousand two hundred | 1,200
a dozen | 12
3:00 pm | 15:00
3 pm | 3:00 PM
03:30 | 3:30
left | on the left
left | to the left
left | On the left side.
left | left-hand side
left | at the left of the image
top left | top-left corner
the box | in the box
red | \text{red}
red | \mathrm{red}
red | RED.
red | "red"
red | It is red
red | the red one
red | **red**
a cat | cat
cats | cat
an apple | apples
boxes | a box
buses | bus
cherries | cherry
women | woman
gray | grey
t-shirt | t shirt
red and blue | red, blue
two cats and three dogs | 2 cats and 3 dogs
U.S.A. | USA
don't know | don’t know
  dark   red  | dark red
Ｒｅｄ | red
first | 1st
x^{2} | x^2
"""

DIFFERENT = r"""
12 | 120
3 | 3.4
3 | 30
3 | 3/4
3.1 | 3.14
100 | 100.4
0.33 | 0.34
0.33 | 0.4
1/3 | 0.3
-3 | 3
−3 | 3
1,000 | 1
1,000 | 100
1.5 | 15
50% | 50
50% | 5
0.5% | 0.5
50% | 50.4%
1e3 | 1e4
1e3 | 1
10^3 | 103
10³ | 103
2½ | 21/2
3 cats | 3 dogs
3 cats | 4 cats
3 | 3 or 4
3 | 3 out of 5
12 | 12%
non-red | red
yes | no, yes
light blue | blue
black | black and white
hot dog | dog
above | below
3-4 | 3
3-4 | -1
3 | 3 x 4
3:4 | 3.4
3:4 | 34
1,5 | 15
1.2.3 | 1.2
one two | 12
2\pi | 2
more than 5 | 5
>5 | <5
>5 | 5
5 cm | 5 m
5 cm | 50 cm
5 cm | 5 cats
5 kg | 5 km
$5 | €5
5 m | 5 m²
5 m/s | 5 km/h
20°C | 20°F
3 am | 3 pm
3:00 | 3:30
1st | 1
1st | 2nd
9007199254740993 | 9007199254740992
not red | red
red | dark red
red | red ball
red | bored
red | reddish
red | blue
left | right
left | left of the ball
on the box | in the box
under the box | box
not left | left
A | B
A. red | B. red
A. red | A. blue
A. red | blue
A | a cat
A | A or B
A | A, B
A or B | B
A | AB
A | apple
A | 1
yes | no
yes | yesterday
yes | yes or no
yes and no | yes
no | not sure
no | none
no | north
no | no cats
yes | 1
cat | cattle
cat | dog
glass | gas
new | news
plan | plane
not red | note red
men | mean
x^2 | x2
\frac{1}{2} | 12
\frac{1}{2} | 1
"""


def pairs(table: str) -> list[tuple[str, str]]:
    lines = [line for line in table.split("\n") if line]
    return [(left.removesuffix(" "), right) for left, right in (line.split("| ") for line in lines)]


@pytest.mark.parametrize(("left", "right"), pairs(SAME))
def test_says_the_same(left: str, right: str) -> None:
    assert match(left, right)
    assert match(right, left)


@pytest.mark.parametrize(("left", "right"), pairs(DIFFERENT))
def test_says_something_else(left: str, right: str) -> None:
    assert not match(left, right)
    assert not match(right, left)


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u00a0"])
def test_blank_matches_nothing(blank: str) -> None:
    assert not match(blank, blank)
    assert not match(blank, "red")
    assert not match("red", blank)


FRAGMENTS = st.sampled_from(
    r"A (b) . , : - + % $ ° / ^ \ { } \frac{1}{2} \text{ \boxed{ 0 1 3.40 1,000 1e3 ½ ² three twenty half hundred and "
    r"a the yes no not cm m^2 per km/h cats on in left side one None pm".split(" ")
)
TEXTS = st.one_of(
    st.text(), st.lists(FRAGMENTS, max_size=8).map(" ".join), st.lists(FRAGMENTS, max_size=8).map("".join)
)


@settings(max_examples=300)
@given(TEXTS, TEXTS)
@example("\u200b", "\ud800")
@example("$$", "\\boxed{}")
def test_reflexive_and_symmetric_and_never_raises(left: str, right: str) -> None:
    assert match(left, left) is bool(left.strip())
    assert match(left, right) is match(right, left)


@settings(max_examples=100)
@given(st.integers(), st.integers())
def test_integers_match_only_themselves(left: int, right: int) -> None:
    assert match(str(left), f"{left:,}") is True
    assert match(str(left), str(right)) is (left == right)


@settings(max_examples=100)
@given(st.integers(0, 999_999), st.integers(1, 999))
def test_a_decimal_of_enough_digits_matches_its_fraction(above: int, below: int) -> None:
    assert match(f"{above / below:.8f}", f"{above}/{below}") or above / below < 1e-7


@pytest.mark.parametrize(
    "unit",
    [
        "a", "9", " ", "\\", "{", "}", "\\boxed{", "\\frac{", "\\frac{1}{", "1,000", "1 ", "-", "(", "the ", "and ",
        "yes ", "A. ", "it is ", "hundred ", "$", "~", "^", "²", "°", "\u0301\u0323", "cat-", "a.b", "'", "*", "\n",
    ],
)  # fmt: skip
def test_takes_linear_time_on_long_input(unit: str) -> None:
    long = "x" + unit * (100_000 // len(unit)) + "x"
    started = time.process_time()
    assert match(long, long)
    assert not match(long, "blue")
    assert match("A. " + long, "A")
    assert time.process_time() - started < 5
