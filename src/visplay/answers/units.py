"""Units of measure: their dimension and size. Symbols keep their case (`mW` is no `MW`), names do not.

A unit that is not in the tables is none; nothing is taken for a known unit that is not written as one.
"""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

from visplay.answers.text import singular

Unit = tuple[str, Fraction]  # dimension, such as `length^2` or `power`, and size in base units

_PREFIXES = {
    "p": ("pico", "1e-12"), "n": ("nano", "1e-9"), "μ": ("micro", "1e-6"), "u": ("micro", "1e-6"),
    "m": ("milli", "1e-3"), "c": ("centi", "1e-2"), "d": ("deci", "1e-1"), "h": ("hecto", "100"),
    "k": ("kilo", "1e3"), "M": ("mega", "1e6"), "G": ("giga", "1e9"), "T": ("tera", "1e12"),
}  # fmt: skip
# dimension: prefixes, then size, symbols and names of each unit that takes them
_WITH_PREFIXES = {
    "length": ("pnμumcdkM", "1 m meter metre"),
    "mass": ("nμumk", "1 g gram gramme"),
    "time": ("pnμum", "1 s sec second"),
    "current": ("pnμumk", "1 A amp ampere"),
    "amount": ("μumk", "1 mol mole"),
    "frequency": ("mkMGT", "1 Hz hertz"),
    "conductance": ("μum", "1 S siemens"),
    "force": ("mkM", "1 N newton"),
    "pressure": ("hkMG", "1 Pa pascal"),
    "energy": ("mkMG", "1 J joule; 3600 Wh watthour watt-hour; 4.184 cal calorie; 1.602176634e-19 eV electronvolt"),
    "force*length": ("", "1 Nm"),
    "power": ("nμumkMGT", "1 W watt"),
    "charge": ("pnμum", "1 coulomb"),
    "voltage": ("nμumkM", "1 V volt"),
    "capacitance": ("pnμum", "1 farad"),
    "resistance": ("mkMG", "1 Ω ohm"),
    "magnetic field": ("nμum", "1 T tesla"),
    "magnetic flux": ("m", "1 Wb weber"),
    "inductance": ("nμum", "1 H henry"),
    "data": ("kMGT", "8 B byte; 1 b bit"),
    "length^3": ("μumcdh", "1e-3 l L liter litre"),
    "concentration": ("μum", "1 molar"),
}
_OTHERS = {
    "length": "0.0254 in inch, 0.3048 ft foot, 0.9144 yd yard, 1609.344 mi mile, 1e-10 Å angstrom, "
    "9460730472580800 ly lightyear light-year, 149597870700 AU",
    "mass": "1000 kilo, 1e6 t tonne, 453.59237 lb lbs pound, 28.349523125 oz ounce, 1000 kgs",
    "time": "1 secs, 60 min minute mins, 3600 h hr hour hrs, 86400 day, 604800 week",
    "calendar": "1 mo month, 12 yr year yrs, 120 decade, 1200 century",
    "length^2": "1e4 ha hectare, 4046.8564224 acre, 1 sqm, 1e-4 sqcm, 1e6 sqkm, 0.09290304 sqft sqfoot",
    "length^3": "0.003785411784 gal gallon, 0.000473176473 pint, 0.000946352946 quart, "
    "2.95735295625e-5 floz fluidounce, 1e-6 cc",
    "length*time^-1": "0.44704 mph mileperhour, 5/18 kmh kph kmph",
    "pressure": "1e5 bar, 100 mbar, 101325 atm atmosphere, 133.322387415 mmHg, 6894.757293168 psi",
    "frequency": "1/60 rpm bpm",
    "energy": "4184 Cal",
    "kelvin": "1 K kelvin",
    "degree": "1 ° deg degree",
    "radian": "1 rad radian",
    "celsius": "1 °C celsius degreec degreecelsius °celsius ℃ centigrade",
    "fahrenheit": "1 °F fahrenheit degreef degreefahrenheit °fahrenheit ℉",
    "C": "1 C",
    "F": "1 F",
    "data": "8192 KiB, 8388608 MiB, 8589934592 GiB, 8000 KB",
    "loudness": "1 dB decibel",
    "light": "1 lm lumen",
    "illuminance": "1 lx lux",
    "brightness": "1 cd candela",
    "acidity": "1 pH",
    "resolution": "1 dpi, 1 ppi",
    "pixel": "1 px pixel",
    "usd": "1 $ US$ USD usd dollar, 1e-2 ¢ cent",
    "eur": "1 € EUR eur euro",
    "gbp": "1 £ GBP gbp",
    "jpy": "1 ¥ JPY jpy yen",
    "inr": "1 ₹ INR inr rupee Rs",
    "krw": "1 ₩ KRW won",
    "cny": "1 CNY RMB yuan",
}
# A symbol that means one of several: 20 C, 5 C of charge; 20 degrees.
_EITHER = {
    "C": {"celsius", "charge"}, "F": {"fahrenheit", "capacitance"}, "degree": {"celsius", "fahrenheit"},
}  # fmt: skip


def _tables() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """Units by symbol, and by name in lower case."""
    symbols: dict[str, Unit] = {}
    names: dict[str, Unit] = {}
    for dimension, units in _OTHERS.items():
        for size, *written in map(str.split, units.split(",")):
            for name in written:
                (names if name.islower() and len(name) > 3 else symbols)[name] = (dimension, Fraction(size))
    for dimension, (prefixes, units) in _WITH_PREFIXES.items():
        for unit in units.split(";"):
            size, *written = unit.split()
            for name in written:
                long = name.islower() and len(name) > 2 and name not in ("mol", "cal", "sec", "amp")
                (names if long else symbols)[name] = (dimension, Fraction(size))
                for sign in prefixes:
                    prefix, factor = _PREFIXES[sign]
                    full = (dimension, Fraction(size) * Fraction(factor))
                    if long:
                        names[prefix + name] = full
                    elif name not in ("sec", "amp"):
                        symbols.setdefault(sign + name, full)
    return symbols, names


_SYMBOLS, _NAMES = _tables()
DIMENSIONS = frozenset(dimension for dimension, _ in (*_SYMBOLS.values(), *_NAMES.values()))
_NAMES["kwh"] = _SYMBOLS["kWh"]
_NAMES["foot"] = _SYMBOLS["foot"] = _SYMBOLS["ft"]
_FOLDED: dict[str, Unit | None] = {}  # symbols of several letters in other case, if only one is meant
for _symbol, _unit in _SYMBOLS.items():
    if len(_symbol) > 1:
        _FOLDED[_symbol.casefold()] = None if _FOLDED.get(_symbol.casefold(), _unit) != _unit else _unit
_NO_UNIT: Unit = ("", Fraction(0))
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_FACTOR = re.compile(r"([^\^0-9]+)(?:\^?\(?(-?[1-9])\)?)?")


def is_symbol(text: str) -> bool:
    """Whether a text is the symbol of a unit, in its case, or could be several."""
    return text in _SYMBOLS or _FOLDED.get(text.casefold(), _NO_UNIT) is None


def same_unit(left: str, right: str) -> bool:
    """Whether two dimensions can be the same; a missing one is any."""
    if left == right or not left or not right:
        return True
    return right in _EITHER.get(left, ()) or left in _EITHER.get(right, ())


def read_unit(text: str) -> Unit | None:
    """The unit of a text such as `cm`, `square meters`, `km/h`, `N*m`, `m s^-2`; None for anything else."""
    text = text.replace(". ", " ").rstrip(".")
    words = text.split()
    known = _single("".join(words)) or _named("".join(singular(word.lower()) for word in words))
    if known is not None:
        return known
    over, *under = re.split(r" ?/ ?| per ", text)
    powers: Counter[str] = Counter()
    size = Fraction(1)
    for sign, product in ((1, over), *((-1, part) for part in under)):
        for factor, power in _factors(product):
            unit = _single(factor)
            if unit is None or (sign, product) == (1, ""):
                return None
            for base, exponent in _parts(unit[0]):
                powers[base] += sign * power * exponent
            size *= unit[1] ** (sign * power)
    shown = [base if exponent == 1 else f"{base}^{exponent}" for base, exponent in sorted(powers.items()) if exponent]
    return "*".join(shown), size


def _single(name: str) -> Unit | None:
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    return _named(name.lower()) or _named(singular(name.lower()))


def _named(name: str) -> Unit | None:
    return _NAMES.get(name) or _FOLDED.get(name)


def _factors(product: str) -> list[tuple[str, int]]:
    """Names and powers of `square meter`, `m^2`, `kg*m^2`, `m s^-1`; an unknown name for anything else."""
    words = [word for word in re.split(r" ?\* ?| ", product.strip()) if word]
    if len(words) == 2 and words[0].lower() in _POWERS:
        return [(words[1], _POWERS[words[0].lower()])]
    if len(words) == 2 and words[1].lower() in ("squared", "cubed"):
        return [(words[0], 2 if words[1].lower() == "squared" else 3)]
    if len(words) > 1 and "*" not in product and "^" not in product and any(word.lower() in _NAMES for word in words):
        return [("", 1)]
    read = [_FACTOR.fullmatch(word) for word in words]
    return [(one[1], int(one[2] or 1)) if one else ("", 1) for one in read] or [("", 1)]


def _parts(dimension: str) -> list[tuple[str, int]]:
    pairs = (part.partition("^") for part in dimension.split("*"))
    return [(base, int(power or 1)) for base, _, power in pairs]
