"""Equality by kinds: formulas, units, dates, ranges, options, other scripts; and what must never be taken as equal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visplay.answers import match

CASES = Path(__file__).with_name("cases")

SAME = r"""
\dfrac{7}{\sqrt{7}} | \sqrt{7}
\frac{1}{\frac{2}{3}} | 1.5
\sqrt[3]{27} | 3
\sqrt[3]{-8} | -2
\sqrt{\frac{9}{4}} | 3/2
2^{10} | 1024
(x+1)^2 | x^2+2x+1
\frac{x+1}{2} | (x+1)/2
\frac{1}{2}x | \frac{x}{2}
3x^{2} | 3x²
\sin^2 x + \cos^2 x | 1
\frac{\pi}{4} | π/4
\left(\frac{1}{2}\right) | 0.5
5!  | 120
e^{0} + 1 | 2
\log_{10} 100 | \log_{10} 100
\sqrt 3 | √3
4 \cdot 5 | 20
2 \pm \sqrt{3} | 2 ± √3
\{1, 2\} | \{2, 1\}
(1, \frac{1}{2}) | (1, 0.5)
[0, 1) | \left[0, 1\right)
x < 3 | 3 > x
x \ge 2 | x >= 2
2x + y = 5 | y + 2x = 5
y = 3x - 1 | 3x - 1
x = 2 + 3 = 5 | 5
\angle ABC = 90^\circ | 90 degrees
x_{1} = 4 | 4
2\sqrt{3} \text{ cm} | 2√3 cm
2\sqrt{3} \text{ cm} | 2\sqrt{3}
4\sqrt{2} m | 400\sqrt{2} cm
9.8 m/s^2 | 9.8 \text{ m/s}^2
100 watts | 0.1 kW
100 W | 100 watts
5 kWh | 5 kilowatt-hours
60 Hz | 60 hertz
1 kHz | 1000 Hz
10 kΩ | 10,000 ohms
10 k\Omega | 10 kΩ
250 mA | 0.25 A
4 GB | 4 gigabytes
500 mL | 0.5 L
500 ml | 500 mL
3 dm^3 | 3 L
12 µm | 12 um
101 kPa | 101 kilopascals
5 N | 5 newtons
25 °C | 25 degrees Celsius
20 C | 20 °C
5 C | 5 coulombs
60 km/h | 60 kilometers per hour
3 m/s | 3 meters per second
$5/kg | $5 per kg
5 CM | 5 cm
2 KG | 2 kg
3 sq ft | 3 square feet
1.2M | 1,200,000
3.5bn | 3.5 billion
$2m | $2 million
€3k | 3000 euros
7 thousand | 7K
5'3" | 63 in
5' 3" | 5 ft 3 in
6 feet 2 inches | 74 inches
1 h 30 min | 90 minutes
2h30m | 150 min
1 min 30 s | 90 seconds
3 lb 4 oz | 52 oz
12" | 1 foot
January 2021 | Jan 2021
4 July 1976 | July 4, 1976
the 4th of July 1976 | 1976-07-04
Dec. 25 | December 25th
Mon | Monday
midnight | 12:00 AM
12 noon | 12 pm
9:05 a.m. | 09:05
5–10 | 5 to 10
5-10 cm | 5 cm to 10 cm
from 3 to 7 | 3-7
$10-$20 | $10 to $20
3 : 4 | 3:4
1:10 | 1 to 10
1:2:3 | 1 : 2 : 3
21st | twenty-first
the third | 3rd
thirty-second | 32nd
21st floor | twenty-first floor
#12 | number 12
USD 20 | $20
20 USD | $20
Rs. 50 | ₹50
B. red | (B)
**B** | B
**B. red** | B
[B] red | B
B] red | B
Z. last | Z
M) 7 | M
option K | K
B: red | B) red
选项B | B
答案是B | B
B．红色 | B
B、红色 | 红色
A, C | C and A
(A), (C) | A, C
AC | A, C
A. red, C. blue | A, C
A and C | A & C
True | yes
FALSE | No
H_2O | H₂O
\mathrm{H_2O} | H2O
\text{CO}_2 | CO2
north-east | northeast
north east | northeast
post-office | postoffice
x-ray | xray
T-shirts | t-shirt
résumé | resume
São Paulo | Sao Paulo
naïve | naive
„rot“ | rot
「赤」 | 赤
『赤』。 | 赤
¡Hola! | hola
是。 | 是
(red) | red
2 × 4 | 2x4
about 3.5 kg | 3500 g
0,5 | 0.5
11,\! 111,\! 100 | 11111100
x = 2/3 \approx 0.7 | 2/3
5 = x | x = 5
|x| | √(x^2)
x = 1, y = 2 | y = 2, x = 1
x = 1 or x = 2 | x = 2 or x = 1
10-inch | 10 inches
two and a half | 2.5
\begin{pmatrix} 1 & 0 \\ 0 & \frac12 \end{pmatrix} | \begin{bmatrix}1&0\\0&0.5\end{bmatrix}
twelve | a dozen
"""

DIFFERENT = r"""
\frac{1}{2}3 | \frac{1}{23}
\frac{12}{3} | \frac{1}{23}
\sqrt{2}3 | \sqrt{23}
\sqrt[3]{8} | \sqrt{8}
x^{2}3 | x^{23}
x^{2} | x_{2}
x^2 | 2x
a_{12} | a_{1}2
10^{2}3 | 10^{23}
2^{3} | 23
2^{3} | 6
\frac{x}{y} | \frac{y}{x}
x - y | y - x
x-y | xy
-\sqrt{2} | \sqrt{2}
\pm 3 | 3
\pm 3 | -3
0.\overline{3} | 0.3
5! | 5
\binom{5}{2} | \frac{5}{2}
\sqrt{5} | 5
\pi | 3
2\pi | 2
x = 5 | x = 6
x = 5 | y = 5
AB = 5 | BC = 5
x < 3 | x > 3
x < 3 | x \le 3
x \neq 3 | x = 3
(2, 3) | (3, 2)
[0, 1) | (0, 1]
(2, 3) | 23
\{1, 2\} | \{1, 2, 3\}
100 W | 100 kW
100 mW | 100 MW
5 Mb | 5 MB
5 g | 5 G
5 K | 5 k
3 m | 3 min
3 mm | 3 M
5M | 5 thousand
5 V | 5 A
5 N | 5 nm
5 Pa | 5 pA
5 mol | 5 mol/L
10 Hz | 10 hours
10 s | 10 S
1980s | 1980
the 1980s | 1980
80 °F | 80 °C
5 km/h | 5 mph
5'3" | 5.3
5'3" | 53
5' | 5"
5 ft 3 in | 5.3 ft
2 h 30 min | 2.3 h
1:30 | 130
March 5 | March 6
March 2020 | March 2021
March 5, 2020 | May 3, 2020
3/5/2020 | 5/3/2020
noon | midnight
12:00 AM | 12:00 PM
10-20 | 10
10-20 | -10
10-20 | 10:20
2:1 | 1:2
10 to 20 | 10 to 30
20-10 | 10
21st | 22nd
21st | 21
third | 3
1/3 | 3rd
A. red | B. red
A, B | B
A and C | A and B
AB | BA
ABC | A
J. 10 cm | I. 10 cm
B. red | B. blue
Aa | aa
CO | Co
kW | KW h
mg | Mg
true | no
false | yes
north | south
northeast | northwest
north-east | north
t-shirt | shirt
e-mail | mail
non-red | red
赤 | 青
か | が
红色 | 绿色
红 | 红色
и | й
red | red and blue
5 apples | 5 oranges
50% | 50
$5 | 5 cents
C$5 | $5
1e5 | 15
1.5k | 1.5
2.5B | 2.5M
3D | 3 days
4G | 4
H2O | H2O2
2x + z = 1 | 1
a^2 + b = 0 | 0
7 = 11a + c | 11a + c
x = 1 or x = 2 | 2
x = 1, y = 2 | x = 2, y = 1
x - 5 | 5
two-tone | two
2019/2020 | 0.9995
\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} | \begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}
CO_2 | CO
"""


def pairs(table: str) -> list[tuple[str, str]]:
    return [(left.strip(), right) for left, _, right in (line.rpartition(" | ") for line in table.strip().splitlines())]


def read_cases(name: str) -> list[tuple[str, str, bool]]:
    lines = (CASES / name).read_text(encoding="utf-8").splitlines()
    return [(case["given"], case["reference"], case["equal"]) for case in map(json.loads, lines)]


@pytest.mark.parametrize(("given_answer", "reference", "equal"), read_cases("answers.jsonl"))
def test_answers_of_real_models(given_answer: str, reference: str, equal: bool) -> None:
    assert match(given_answer, reference) is equal
    assert match(reference, given_answer) is equal


@pytest.mark.parametrize(("left", "right"), pairs(SAME))
def test_says_the_same(left: str, right: str) -> None:
    assert match(left, right) and match(right, left)


@pytest.mark.parametrize(("left", "right"), pairs(DIFFERENT))
def test_says_something_else(left: str, right: str) -> None:
    assert not match(left, right) and not match(right, left)
