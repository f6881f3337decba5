"""Numbers with a unit: `3 cats`, `50%`, `1/2`, `-1.5e3 km`, `twenty-one`, `$5`.

Values are exact rationals, so comparisons need no epsilon. Rounding is allowed in one case: a number with at least two
decimals and two significant digits equals all numbers that round to it (`0.33` = `1/3`, `3.14` = `3.14159`, but `3` ≠
`3.4`, `3.1` ≠ `3.14`). A percentage is divided by 100: `50%` = `0.5` ≠ `50`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from visplay.answers.text import ONES, ORDINALS, TENS, singular
from visplay.answers.units import DIMENSIONS, read_unit, same_unit


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
    return same_unit(left.unit, right.unit) and abs(left.value - right.value) <= max(left.step, right.step) / 2


_MAGNITUDES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_GLUED = {
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "mn": 10**6,
    "mln": 10**6,
    "B": 10**9,
    "bn": 10**9,
    "bln": 10**9,
    "tn": 10**12,
}
_OF_MONEY = {"m": 10**6, "mm": 10**6, "b": 10**9, "t": 10**12, "T": 10**12, "thousands": 10**3}
_CARDINALS = (
    {word: value for value, word in enumerate(ONES)}
    | {word: 10 * value for value, word in enumerate(TENS, start=2)}
    | _MAGNITUDES
)
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_NOT_COUNTED = (
    _CARDINALS.keys()
    | set(ORDINALS)
    | set(
        "or and to of not no out than in on at from by with without x pi past plus minus per if but is are was were "
        "more less fewer other others maybe point am pm sqrt".split()
    )
)

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,3}(?: [0-9]{3})+(?![0-9])|[0-9]{1,40})"
_DIGITS = rf"{_INTEGER}(?:\.[0-9]{{1,40}})?|\.[0-9]{{1,40}}"
_CURRENCY = r"(?:US ?\$|[$€£¥₹₩]|(?:USD|EUR|GBP|JPY|INR|CNY|RMB|KRW|Rs\.?)(?= ?[0-9]))"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?) ?(?P<currency>{_CURRENCY}?) ?(?P<inner_sign>[+-]?)"
    r"(?:"
    r"(?:(?P<whole>[0-9]{1,40})[ -])?(?P<above>[0-9]{1,40}) ?/ ?(?P<below>[0-9]{1,40})(?![0-9])"
    rf"|(?:(?P<mantissa>{_DIGITS}) ?[×x*] ?)?10\^\(?(?P<power>[+-]?[0-9]{{1,3}})\)?"
    rf"|(?P<digits>{_DIGITS})(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}})(?![0-9A-Za-z]))?"
    r")"
    r"(?P<gap> ?)(?P<tail>[^0-9].*)?"
)
_ABOUT = re.compile(
    r"(?:(?:about|around|approximately|approx\.?|roughly|nearly|almost|exactly|only|just) |~ ?)", re.IGNORECASE
)
_NUMBERED = re.compile(r"(?:# ?|№ ?|no\. ?|no (?=[0-9])|number )", re.IGNORECASE)
_DECIMAL_COMMA = re.compile("(?<=^0),(?=[0-9])|(?<=^-0),(?=[0-9])")
_HYPHENATED = re.compile(r"([0-9])-(?=[^\W\d_]{2})")
_NEGATIVE = re.compile(r"(?:minus|negative) ", re.IGNORECASE)
_PERCENT = re.compile(r"(?:%|percent\b|per cent\b|percentage\b|pct\b) ?", re.IGNORECASE)
_NOUN = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){0,2}")
_AND_A_PART = re.compile(r"([0-9]{1,40}|[a-z]+(?:-[a-z]+)?) and (?:a|one) (half|third|quarter) ?(.*)", re.IGNORECASE)
_COUNTED_BY_HYPHEN = re.compile(rf"(?:[0-9]|\b(?:{'|'.join(_CARDINALS)}))-(?!(?:{'|'.join(_CARDINALS)})\b)[^\W\d_]")
_PART = re.compile(r"([0-9][0-9.,]*(?: [0-9]+/[0-9]+)?|[0-9]+/[0-9]+) ?([^\W\d_]+)[.,]?(?: and)?(?: |$|(?=[0-9]))")
_IN_COMPOUND = {"m": "min", "'": "ft"}


def parse_quantity(text: str) -> Quantity | None:
    """The number in a plain, short text; None if it has none or several. The case of units counts."""
    for prefix, shown in ((_ABOUT, ""), (_NUMBERED, ""), (_NEGATIVE, "-")):
        found = prefix.match(text)
        text = shown + text[found.end() :] if found else text
    text = _DECIMAL_COMMA.sub(".", text, count=1)
    number = _parse(_HYPHENATED.sub(r"\1 ", text))
    # `10-inch` is a length, but `3-legged` is no number of things.
    return (
        None if number and number.scale == 1 and _COUNTED_BY_HYPHEN.search(text) and not _measured(number) else number
    )


def _measured(number: Quantity) -> bool:
    return not number.unit or number.unit in DIMENSIONS


def _parse(text: str) -> Quantity | None:
    mixed = _AND_A_PART.fullmatch(text)
    if mixed:
        whole, part = _parse(mixed[1]), Fraction(1, _PARTS[mixed[2].lower()])
        return _with_tail(replace(whole, value=whole.value + part), mixed[3], glued=False) if whole else None
    written = _NUMBER.fullmatch(text)
    if written is None:
        return _spelled_out(text)
    if written["below"]:
        above, below = written["above"], written["below"]
        if int(below) == 0 or (len(above) == len(below) == 4 and int(below) - int(above) == 1):
            return None  # 2019/2020 are two years
        number = Quantity(int(written["whole"] or 0) + Fraction(int(above), int(below)))
    else:
        digits = re.sub("[, ]", "", written["digits"] or written["mantissa"] or "1")
        decimals = len(digits.partition(".")[2])
        rounded = decimals >= 2 and len(digits.replace(".", "").lstrip("0")) >= 2
        number = Quantity(Fraction(digits), Fraction(int(rounded), 10**decimals))
        number = number.times(Fraction(10) ** int(written["exponent"] or written["power"] or 0))
    negative = "-" in written["sign"] + written["inner_sign"]
    value, unit = (
        -number.value if negative else number.value,
        read_unit(written["currency"].replace(" ", "").rstrip(".")),
    )
    number = replace(number, value=value, unit=unit[0] if unit else "")
    tail = written["tail"] or ""
    glued = not written["gap"]
    if glued and tail == "s" and value >= 1000 and value % 10 == 0:
        return None  # 1990s is a decade
    return _with_tail(number, tail, glued) or _compound(text)


def _with_tail(number: Quantity, tail: str, glued: bool) -> Quantity | None:
    """`number` with the text after it: a magnitude, a percent sign, a unit or a counted noun."""
    head, _, rest = tail.partition(" ")
    money = number.unit and head in _OF_MONEY
    if (head.lower() in _MAGNITUDES and not glued) or money or (head in _GLUED and (glued or head in "MB")):
        factor = _OF_MONEY[head] if money else _GLUED.get(head) or _MAGNITUDES[head.lower()]
        number, tail = number.times(Fraction(factor)), rest
    percent = _PERCENT.match(tail)
    if percent:
        number, tail, glued = number.times(Fraction(1, 100)), tail[percent.end() :], False
    if not tail:
        return number
    per_unit = bool(number.unit) and tail[0] in "/p"  # $5/kg, $5 per kg
    measure = read_unit(f"{'$' if per_unit else ''}{' ' * (tail[0] == 'p')}{tail}")
    unit, scale = measure or ("" if glued else _counted(tail), Fraction(1))
    if per_unit and measure and "usd" in unit:
        unit = unit.replace("usd", number.unit)
    elif not unit or number.unit not in ("", unit):
        return None
    return replace(number, unit=unit, scale=scale)


def _compound(text: str) -> Quantity | None:
    """`5 ft 3 in`, `2 hours and 30 minutes`, `1h30m`: the sum, in the unit of the last part."""
    found = list(_PART.finditer(text))
    if len(found) < 2 or sum(len(part[0]) for part in found) != len(text):
        return None
    names = [part[2] for part in found]
    if names[0].lower() in ("h", "hr", "hrs", "hour", "hours") or names[-1].lower() in ("s", "sec", "secs"):
        names = [_IN_COMPOUND.get(name, name) for name in names]
    sizes = [parse_quantity(part[1]) for part in found]
    units = [read_unit(name) for name in names]
    if None in sizes or None in units:
        return None
    pairs = [(size.value, unit[1]) for size, unit in zip(sizes, units, strict=True) if size and unit]
    scales = [scale for _, scale in pairs]
    if len({unit[0] for unit in units if unit}) != 1 or scales != sorted(set(scales), reverse=True):
        return None
    total = sum((value * scale for value, scale in pairs), Fraction(0))
    return Quantity(total / scales[-1], unit=units[-1][0] if units[-1] else "", scale=scales[-1])


def _counted(text: str) -> str:
    """The counted noun in the singular; empty if `text` is not a short noun phrase."""
    noun = _NOUN.fullmatch(text.casefold().replace("-", " ").replace("'", ""))
    words = [word for word in noun[0].split() if word not in ("a", "an", "the")] if noun else []
    if len("".join(words)) < 2 or not _NOT_COUNTED.isdisjoint(words):
        return ""
    return " ".join(singular(word) for word in words)


def _spelled_out(text: str) -> Quantity | None:
    """`three cats`, `two hundred and five`, `-twenty-one`, `two thirds`, `none`."""
    sign = -1 if text.startswith("-") else 1
    written = text.removeprefix("-").replace("-", " ").split()
    words = [word.casefold() for word in written]
    if len(words) > 1 and words[0] == "a" and words[1] in _MAGNITUDES | _PARTS:
        words[0] = "one"
    if words in (["none"], ["half"]):
        return Quantity(Fraction(sign * (words == ["half"]), 2))
    end = 0
    while end < len(words) and (words[end] in _CARDINALS or (words[end] == "and" and 0 < end < len(words) - 1)):
        end += 1
    value = None if end and words[end - 1] == "and" else _cardinal([word for word in words[:end] if word != "and"])
    # "thirty second" is the 32nd.
    if value is None or (end and words[end - 1] in TENS and words[end:] == ["second"]):
        return None
    part = _PARTS.get(singular(words[end])) if end < len(words) else None
    return _with_tail(Quantity(sign * Fraction(value, part or 1)), " ".join(written[end + bool(part) :]), glued=False)


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
