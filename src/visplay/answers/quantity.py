"""Numbers with a unit: `3 cats`, `50%`, `1/2`, `-1.5e3 km`, `twenty-one`, `$5`.

Values are exact rationals, so comparisons need no epsilon. Rounding is allowed in one case: a number with at least two
decimals and two significant digits equals all numbers that round to it (`0.33` = `1/3`, `3.14` = `3.14159`, but `3` ≠
`3.4`, `3.1` ≠ `3.14`). A percentage is divided by 100: `50%` = `0.5` ≠ `50`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from visplay.answers.text import ONES, singular


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit."""

    value: Fraction  # in the written unit; percentages are divided by 100
    step: Fraction = Fraction(0)  # value of the last decimal if rounding is allowed, else 0
    unit: str = ""  # the dimension (`length`, `usd`) or the counted noun (`cat`), if there is one
    scale: Fraction = Fraction(1)  # size of the written unit in base units (metre, gram, second, litre)

    def times(self, factor: Fraction) -> Quantity:
        """The number multiplied by a factor, such as a million or a percent."""
        return replace(self, value=self.value * factor, step=self.step * factor)


def same_quantity(left: Quantity, right: Quantity) -> bool:
    """Whether both are equal up to the allowed rounding; a missing unit matches any unit."""
    if left.unit and right.unit:
        left, right = left.times(left.scale), right.times(right.scale)
    same_unit = left.unit == right.unit or not (left.unit and right.unit)
    return same_unit and abs(left.value - right.value) <= max(left.step, right.step) / 2


_UNITS = {  # dimension and size of each unit
    name: (dimension, Fraction(size))
    for dimension, units in {
        "length": "1e-9 nm, 1e-6 μm um, 1e-3 mm millimeter millimetre, 1e-2 cm centimeter centimetre, 1e-1 dm, "
        "1 m meter metre, 1000 km kilometer kilometre, 0.0254 in inch, 0.3048 ft foot, 0.9144 yd yard, "
        "1609.344 mi mile",
        "mass": "1e-3 mg milligram, 1 g gram, 1000 kg kilo kilogram, 1e6 t tonne, 453.59237 lb lbs pound, "
        "28.349523125 oz ounce",
        "time": "1e-3 ms millisecond, 1 s sec second, 60 min minute, 3600 h hr hrs hour, 86400 day, 604800 week",
        "volume": "1e-3 ml milliliter millilitre, 1e-2 cl, 1 l liter litre",
        "area": "1 m^2 squaremeter squaremetre sqm sqmeter, 1e-4 cm^2 squarecentimeter squarecentimetre sqcm, "
        "1e6 km^2 squarekilometer squarekilometre sqkm, 0.09290304 ft^2 squarefoot sqft sqfoot",
        "speed": "1 m/s meterpersecond metrepersecond, 5/18 km/h kmh kph kmperhour kilometerperhour kilometreperhour, "
        "0.44704 mph mileperhour",
        "angle": "1 ° deg degree",
        "celsius": "1 °c celsius degreec degreecelsius °celsius",
        "fahrenheit": "1 °f fahrenheit degreef degreefahrenheit",
        "usd": "1 $ usd dollar, 1e-2 cent",
        "eur": "1 € eur euro",
        "gbp": "1 £ gbp",
        "jpy": "1 ¥ jpy yen",
        "inr": "1 ₹ inr rupee",
    }.items()
    for size, *names in map(str.split, units.split(","))
    for name in names
}
_MAGNITUDES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_CARDINALS = (
    {word: value for value, word in enumerate(ONES)}
    | {word: 10 * value for value, word in enumerate(_TENS, start=2)}
    | _MAGNITUDES
)
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_NOT_COUNTED = _CARDINALS.keys() | set(
    "or and to of not no out than in on at from by with without x pi past plus minus per if but is are was were more "
    "less fewer other others maybe point am pm sqrt".split()
)

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,3}(?: [0-9]{3})+(?![0-9])|[0-9]{1,40})"
_DIGITS = rf"{_INTEGER}(?:\.[0-9]{{1,40}})?|\.[0-9]{{1,40}}"
_NUMBER = re.compile(
    r"(?P<sign>[+-]?) ?(?P<currency>[$€£¥₹]?) ?(?P<inner_sign>[+-]?)"
    r"(?:"
    r"(?:(?P<whole>[0-9]{1,40}) )?(?P<above>[0-9]{1,40}) ?/ ?(?P<below>[0-9]{1,40})"
    rf"|(?:(?P<mantissa>{_DIGITS}) ?[x*] ?)?10\^\(?(?P<power>[+-]?[0-9]{{1,3}})\)?"
    rf"|(?P<digits>{_DIGITS})(?:e(?P<exponent>[+-]?[0-9]{{1,3}})(?![0-9a-z]))?"
    r")"
    r"(?P<gap> ?)(?P<tail>[^0-9].*)?"
)
_ABOUT = re.compile(r"(?:(?:about|around|approximately|approx\.?|roughly|nearly|almost|exactly|only|just) |~ ?)")
_NEGATIVE = re.compile(r"(?:minus|negative) ")
_PERCENT = re.compile(r"(?:%|percent\b|per cent\b|percentage\b|pct\b) ?")
_NOUN = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){0,2}")
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))? ?(am|pm|a\.m|p\.m|o'clock)?")


def parse_quantity(text: str) -> Quantity | None:
    """The number in a plain, short text in lower case; None if it has none or several."""
    text = _NEGATIVE.sub("-", _ABOUT.sub("", text, count=1), count=1)
    written = _NUMBER.fullmatch(text)
    if written is None:
        return _spelled_out(text)
    if written["below"]:
        if int(written["below"]) == 0:
            return None
        number = Quantity(int(written["whole"] or 0) + Fraction(int(written["above"]), int(written["below"])))
    else:
        digits = re.sub("[, ]", "", written["digits"] or written["mantissa"] or "1")
        decimals = len(digits.partition(".")[2])
        rounded = decimals >= 2 and len(digits.replace(".", "").lstrip("0")) >= 2
        number = Quantity(Fraction(digits), Fraction(int(rounded), 10**decimals))
        number = number.times(Fraction(10) ** int(written["exponent"] or written["power"] or 0))
    negative = "-" in written["sign"] + written["inner_sign"]
    value, currency = -number.value if negative else number.value, written["currency"]
    number = replace(number, value=value, unit=_UNITS[currency][0] if currency else "")
    return _with_tail(number, written["tail"] or "", glued=not written["gap"])


def _with_tail(number: Quantity, tail: str, glued: bool) -> Quantity | None:
    """`number` with the text after it: a magnitude, a percent sign, a unit or a counted noun."""
    head, _, rest = tail.partition(" ")
    if head in _MAGNITUDES and not glued:
        number, tail = number.times(Fraction(_MAGNITUDES[head])), rest
    percent = _PERCENT.match(tail)
    if percent:
        number, tail, glued = number.times(Fraction(1, 100)), tail[percent.end() :], False
    if not tail:
        return number
    measure = _UNITS.get("".join(singular(word) for word in tail.split()))  # "square meters" is squaremeter
    unit, scale = measure or ("" if glued else _counted(tail), Fraction(1))
    if not unit or number.unit not in ("", unit):
        return None
    return replace(number, unit=unit, scale=scale)


def _counted(text: str) -> str:
    """The counted noun in the singular; empty if `text` is not a short noun phrase."""
    noun = _NOUN.fullmatch(text.replace("-", " ").replace("'", ""))
    words = [word for word in noun[0].split() if word not in ("a", "an", "the")] if noun else []
    if len("".join(words)) < 2 or not _NOT_COUNTED.isdisjoint(words):
        return ""
    return " ".join(singular(word) for word in words)


def _spelled_out(text: str) -> Quantity | None:
    """`three cats`, `two hundred and five`, `-twenty-one`, `two thirds`, `none`."""
    sign = -1 if text.startswith("-") else 1
    words = text.removeprefix("-").replace("-", " ").split()
    if len(words) > 1 and words[0] == "a" and words[1] in _MAGNITUDES | _PARTS:
        words[0] = "one"
    if words in (["none"], ["half"]):
        return Quantity(Fraction(sign * (words == ["half"]), 2))
    end = 0
    while end < len(words) and (words[end] in _CARDINALS or (words[end] == "and" and 0 < end < len(words) - 1)):
        end += 1
    value = None if end and words[end - 1] == "and" else _cardinal([word for word in words[:end] if word != "and"])
    if value is None:
        return None
    part = _PARTS.get(singular(words[end])) if end < len(words) else None
    return _with_tail(Quantity(sign * Fraction(value, part or 1)), " ".join(words[end + bool(part) :]), glued=False)


def _cardinal(words: list[str]) -> int | None:
    """Value of a spelled-out cardinal; None if the words are not a single number (`one two`)."""
    total, current, room, ceiling = 0, 0, 100, 10**15  # the next small word is below `room`
    for word in words:
        value = _CARDINALS[word]
        if word not in _MAGNITUDES:
            if value >= room or (value == 0 and room < 100):
                return None
            current, room = current + value, 10 if value >= 20 else 0
        elif value <= 100 and 0 < current < 100:
            current, room = current * value, 100
        elif 0 < current < 1000 and value < ceiling:
            total, current, room, ceiling = total + current * value, 0, 100, value
        else:
            return None
    return total + current if words else None


def parse_clock(text: str) -> str | None:
    """A time of day as `hours:minutes` on a 24-hour clock (`3 pm` is `15:00`); None if `text` is not a time."""
    read = _CLOCK.fullmatch(text)
    if read is None or not (read[2] or read[3]):
        return None
    hour, minute, half = int(read[1]), int(read[2] or 0), (read[3] or "")[:1]
    if half in ("a", "p"):
        hour = hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else 24
    return f"{hour}:{minute:02d}" if hour < 24 and minute < 60 else None
