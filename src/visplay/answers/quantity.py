"""Numbers with a unit: `3 cats`, `50%`, `1/2`, `-1.5e3 km`, `twenty-one`, `$5`.

Values are exact rationals, so comparisons need no epsilon. Rounding is allowed in one case: a number with at least two
decimals and two significant digits equals all numbers that round to it (`0.33` = `1/3`, `3.14` = `3.14159`, but `3` ≠
`3.4`, `3.1` ≠ `3.14`). A percentage is divided by 100: `50%` = `0.5` ≠ `50`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from visplay.answers.phrase import singular


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit.

    Attributes:
        value: the number in the written unit; percentages are divided by 100.
        unit: the dimension (`length`, `length/time`, `usd`) or the counted noun (`cat`); empty if there is none.
        scale: size of the written unit in base units of the dimension (metre, gram, second, litre).
        step: value of the last decimal if rounding is allowed, else 0.
    """

    value: Fraction
    unit: str = ""
    scale: Fraction = Fraction(1)
    step: Fraction = Fraction(0)


def same_quantity(left: Quantity, right: Quantity) -> bool:
    """Whether both are equal up to the allowed rounding; a missing unit matches any unit."""
    if not (left.unit and right.unit):
        return abs(left.value - right.value) <= max(left.step, right.step) / 2
    distance = abs(left.value * left.scale - right.value * right.scale)
    return left.unit == right.unit and distance <= max(left.step * left.scale, right.step * right.scale) / 2


_CURRENCIES = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "₹": "inr"}
_UNITS: dict[str, tuple[str, Fraction]] = {
    name: (dimension, Fraction(size))
    for dimension, sizes in {
        "length": {
            "nm": "1e-9", "μm": "1e-6", "um": "1e-6", "mm": "1e-3", "millimeter": "1e-3", "millimetre": "1e-3",
            "cm": "1e-2", "centimeter": "1e-2", "centimetre": "1e-2", "dm": "1e-1", "m": "1", "meter": "1",
            "metre": "1", "km": "1000", "kilometer": "1000", "kilometre": "1000", "in": "0.0254",
            "inch": "0.0254", "ft": "0.3048", "foot": "0.3048", "yd": "0.9144", "yard": "0.9144",
            "mi": "1609.344", "mile": "1609.344",
        },
        "mass": {
            "mg": "1e-3", "milligram": "1e-3", "g": "1", "gram": "1", "kg": "1000", "kilo": "1000",
            "kilogram": "1000", "t": "1e6", "tonne": "1e6", "lb": "453.59237", "lbs": "453.59237",
            "pound": "453.59237", "oz": "28.349523125", "ounce": "28.349523125",
        },
        "time": {
            "ms": "1e-3", "millisecond": "1e-3", "s": "1", "sec": "1", "second": "1", "min": "60", "minute": "60",
            "h": "3600", "hr": "3600", "hrs": "3600", "hour": "3600", "day": "86400", "week": "604800",
        },
        "volume": {"ml": "1e-3", "milliliter": "1e-3", "millilitre": "1e-3", "cl": "1e-2", "l": "1", "liter": "1",
                   "litre": "1"},
        "angle": {"°": "1", "deg": "1", "degree": "1"},
        "celsius": {"°c": "1", "celsius": "1", "degreec": "1", "degreecelsius": "1", "°celsius": "1"},
        "fahrenheit": {"°f": "1", "fahrenheit": "1", "degreef": "1", "degreefahrenheit": "1"},
        "usd": {"$": "1", "usd": "1", "dollar": "1", "cent": "1e-2"},
        "eur": {"€": "1", "eur": "1", "euro": "1"},
        "gbp": {"£": "1", "gbp": "1"},
        "jpy": {"¥": "1", "jpy": "1", "yen": "1"},
        "inr": {"₹": "1", "inr": "1", "rupee": "1"},
    }.items()
    for name, size in sizes.items()
}  # fmt: skip
_SPEEDS = {"mph": "mile/hour", "kmh": "km/h", "kph": "km/h"}
_MAGNITUDES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_PERCENT = re.compile(r"(?:%|percent\b|per cent\b|percentage\b|pct\b) ?")

_NUMBER = re.compile(
    r"(?P<sign>[+-]?) ?(?P<currency>[$€£¥₹]?) ?(?P<inner_sign>[+-]?)"
    r"(?:"
    r"(?:(?P<whole>[0-9]{1,40}) )?(?P<above>[0-9]{1,40}) ?/ ?(?P<below>[0-9]{1,40})"
    r"|10\^\(?(?P<power>[+-]?[0-9]{1,3})\)?"
    r"|(?P<digits>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,3}(?: [0-9]{3})+(?![0-9])|[0-9]{1,40})(?:\.[0-9]{1,40})?"
    r"|\.[0-9]{1,40})"
    r"(?:e(?P<exponent>[+-]?[0-9]{1,3})(?![0-9a-z])| ?[x*] ?10\^\(?(?P<ten>[+-]?[0-9]{1,3})\)?)?"
    r")"
    r"(?P<gap> ?)(?P<tail>[^0-9].*)?"
)
_ABOUT = re.compile(r"(?:(?:about|around|approximately|approx\.?|roughly|nearly|almost|exactly|only|just) |~ ?)")
_NEGATIVE = re.compile(r"(?:minus|negative) ")


def parse_quantity(text: str) -> Quantity | None:
    """The number in a plain, short text in lower case; None if it has none or several."""
    text = _NEGATIVE.sub("-", _ABOUT.sub("", text, count=1), count=1)
    written = _NUMBER.fullmatch(text)
    if written is None:
        return _spelled_out(text)
    value, step = _value(written)
    if value is None:
        return None
    if "-" in written["sign"] + written["inner_sign"]:
        value = -value
    unit = _CURRENCIES.get(written["currency"], "")
    return _with_tail(Quantity(value, unit, Fraction(1), step), written["tail"] or "", glued=not written["gap"])


def _value(written: re.Match[str]) -> tuple[Fraction | None, Fraction]:
    """Unsigned value and rounding step of a number matched by `_NUMBER`."""
    exact = Fraction(0)
    if written["above"]:
        below = int(written["below"])
        return (int(written["whole"] or 0) + Fraction(int(written["above"]), below) if below else None), exact
    if written["power"]:
        return Fraction(10) ** int(written["power"]), exact
    digits = written["digits"].replace(",", "").replace(" ", "")
    power = Fraction(10) ** int(written["exponent"] or written["ten"] or 0)
    decimals = len(digits.partition(".")[2])
    significant = len(digits.replace(".", "").lstrip("0"))
    step = Fraction(1, 10**decimals) * power if decimals >= 2 and significant >= 2 else exact
    return Fraction(digits) * power, step


def _with_tail(number: Quantity, tail: str, glued: bool) -> Quantity | None:
    """`number` with the text after it: a magnitude, a percent sign, a unit or a counted noun."""
    value, step = number.value, number.step
    head, _, rest = tail.partition(" ")
    if head in _MAGNITUDES and not glued:
        value, step, tail = value * _MAGNITUDES[head], step * _MAGNITUDES[head], rest
    percent = _PERCENT.match(tail)
    if percent:
        value, step, tail, glued = value / 100, step / 100, tail[percent.end() :], False
    if not tail:
        return Quantity(value, number.unit, Fraction(1), step)
    unit = _measure(tail)
    if unit is None and not glued:
        counted = _counted(tail)
        unit = (counted, Fraction(1)) if counted else None
    if unit is None or (number.unit and number.unit != unit[0]):
        return None
    return Quantity(value, unit[0], unit[1], step)


_POWERED = re.compile(r"([^\W\d_]+|°[a-z]*|[$€£¥₹])(?:\^([1-9]))?")
_SQUARE = re.compile(r"\b(square|sq|cubic)\.? ([a-z]+)")


def _measure(text: str) -> tuple[str, Fraction] | None:
    """Dimension and size of a unit of measurement such as `cm`, `m^2`, `km per hour`."""
    text = _SQUARE.sub(lambda area: f"{area[2]}^{3 if area[1] == 'cubic' else 2}", text.replace(" per ", "/"))
    text = _SPEEDS.get(text, text)
    dimensions, size = [], Fraction(1)
    for place, factor in enumerate(text.split("/")):
        known = _POWERED.fullmatch(" ".join(singular(word) for word in factor.split()).replace(" ", ""))
        unit = known and (_UNITS.get(known[1]) or _UNITS.get(singular(known[1])))
        if not known or not unit or place > 1:
            return None
        power = int(known[2] or 1)
        dimensions.append(unit[0] + (f"^{power}" if power > 1 else ""))
        size = size * unit[1] ** power if place == 0 else size / unit[1] ** power
    return "/".join(dimensions), size


_NOUN = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){0,2}")
_NOT_COUNTED = frozenset(
    "or and to of not no out than in on at from by with without x pi past plus minus per if but is are was were more "  # noqa: SIM905
    "less fewer other others maybe point am pm sqrt".split()
)


def _counted(text: str) -> str:
    """The counted noun in the singular; empty if `text` is not a short noun phrase."""
    noun = _NOUN.fullmatch(text.replace("-", " ").replace("'", ""))
    words = [word for word in noun[0].split() if word not in ("a", "an", "the")] if noun else []
    if len("".join(words)) < 2 or any(word in _NOT_COUNTED or word in _WORDS for word in words):
        return ""
    return " ".join(singular(word) for word in words)


_ONES = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "  # noqa: SIM905
        "seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)  # noqa: SIM905
}
_PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10,
}  # fmt: skip
_WORDS = _ONES.keys() | _TENS.keys() | _MAGNITUDES.keys()


def _spelled_out(text: str) -> Quantity | None:
    """`three cats`, `two hundred and five`, `-twenty-one`, `two thirds`, `none`."""
    sign = -1 if text.startswith("-") else 1
    words = text.removeprefix("-").replace("-", " ").split()
    if len(words) > 1 and words[0] == "a" and words[1] in (_MAGNITUDES.keys() | _PARTS.keys()):
        words[0] = "one"
    if words in (["none"], ["half"]):
        return Quantity(Fraction(sign * (words == ["half"]), 2))
    end = 0
    while end < len(words) and (words[end] in _WORDS or (words[end] == "and" and 0 < end < len(words) - 1)):
        end += 1
    if end and words[end - 1] == "and":
        return None
    value = _cardinal([word for word in words[:end] if word != "and"])
    if value is None:
        return None
    part = _PARTS.get(singular(words[end])) if end < len(words) else None
    number = Quantity(sign * Fraction(value, part or 1))
    return _with_tail(number, " ".join(words[end + bool(part) :]), glued=False)


def _cardinal(words: list[str]) -> int | None:
    """Value of a spelled-out cardinal; None if the words are not a single number (`one two`)."""
    total, current, previous, ceiling = 0, 0, "", 10**15
    for word in words:
        before = "ones" if previous in _ONES else "tens" if previous in _TENS else ""
        if word in _ONES and (not before or (before == "tens" and 0 < _ONES[word] < 10)):
            current += _ONES[word]
        elif word in _TENS and not before:
            current += _TENS[word]
        elif word in ("hundred", "dozen") and 0 < current < 100:
            current *= _MAGNITUDES[word]
        elif word in _MAGNITUDES and 0 < current < 1000 and _MAGNITUDES[word] < ceiling:
            ceiling = _MAGNITUDES[word]
            total, current = total + current * ceiling, 0
        else:
            return None
        previous = word
    return total + current if words else None


_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))? ?(am|pm|a\.m|p\.m|o'clock)?")


def parse_clock(text: str) -> str | None:
    """A time of day as `hours:minutes` on a 24-hour clock (`3 pm` is `15:00`); None if `text` is not a time."""
    read = _CLOCK.fullmatch(text)
    if read is None or not (read[2] or read[3]):
        return None
    hour, minute, half = int(read[1]), int(read[2] or 0), (read[3] or "")[:1]
    if half in ("a", "p"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour}:{minute:02d}" if hour < 24 and minute < 60 else None
