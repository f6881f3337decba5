"""Numbers in records and questions: with words such as "million", percent signs and units."""

from __future__ import annotations

import re

_SCALES = {"thousand": 1e3, "k": 1e3, "million": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12}
_NUMBER = re.compile(r"(-?[0-9][0-9,]*(?:\.[0-9]+)?) ?%? ?([a-z]*)")
_MEASURED = re.compile(r"[$€£¥]? ?(-?[0-9][0-9,]*(?:\.[0-9]+)?) ?([^0-9]*)")
PATTERN = r"-?[0-9][0-9,.]*(?: ?%)?(?: (?:thousand|million|billion|trillion))?"
"""Finds a number in a question."""


def scale(unit: str) -> float:
    """The size of a unit such as "million dollars"; 1 for one that is no number."""
    return next((_SCALES[word] for word in unit.lower().split() if word in _SCALES), 1.0)


def in_unit(text: str, unit: str) -> float | None:
    """A number such as "100 million" counted in a unit; a number without such a word is counted in it already."""
    found = _NUMBER.fullmatch(text.lower().strip())
    if found is None:
        return None
    size = _SCALES[found[2]] / scale(unit) if found[2] in _SCALES else 1.0
    return float(found[1].replace(",", "")) * size


def written(amount: float, unit: str = "") -> str:
    """A number with two decimals at most, and its unit: "41%", "2.5 million"."""
    number = f"{amount:.2f}".rstrip("0").rstrip(".")
    return (number if number != "-0" else "0") + (unit if unit == "%" else f" {unit}" if unit else "")


def measured(text: str) -> float | None:
    """The number in a field such as "$1,200.50" or "5 cm"; None for any other text."""
    found = _MEASURED.fullmatch(text.strip())
    return None if found is None else float(found[1].replace(",", ""))


def unit_of(text: str) -> str:
    """What follows the number in a value such as "5 cm"."""
    found = _MEASURED.fullmatch(text.strip())
    return "" if found is None else found[2]
