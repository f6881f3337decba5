"""What looks like mathematics, in one writing: `2 √3`, `x^2 + 1`, `3π/2`. Words, dates and ranges do not."""

from __future__ import annotations

import re

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp root binom sqrt".split()
)
_LONGEST = 120
_SIGNS = re.compile(r"(?:[0-9A-Za-zα-ωΓΔΘΛΞΠΣΦΨΩ]|\.[0-9]|[ _+\-*/^()!|√∛∞°×±∓;∠])+")
_WORD = re.compile("[A-Za-z]{4,}")
_NAME = re.compile(r"[A-Za-z]+")
_SUBSCRIPT = re.compile(r"_(?:[0-9A-Za-z]+|\([0-9A-Za-z,]+\))")
_OPERATION = re.compile(
    r"\|[^|]+\||[\^√∛π∞+*±∓!]|(?<=[\w)]) ?/ ?(?=[\w(√])|[0-9)] ?[a-zα-ω(]|(?<=[^\W_]) ?- ?(?=[^\W_])"
)
_NOT_A_FORMULA = re.compile(
    r"[0-9 ./\-]+|[0-9. ]+(?: × [0-9. ]+)+|[0-9]+(?:st|nd|rd|th)|n/a|[A-Za-z](?:/[A-Za-z])+", re.IGNORECASE
)
_VARIABLES = frozenset("abcmnpqrstuvwxyz")
_APART = re.compile(r"(?<![0-9]) | (?![0-9])")


def as_formula(text: str) -> str:
    """A plain text without needless spaces if it looks like mathematics with an operation, else nothing."""
    if len(text) > _LONGEST or any(word not in FUNCTIONS for word in _WORD.findall(text)):
        return ""
    if not _SIGNS.fullmatch(text) or _NOT_A_FORMULA.fullmatch(text):
        return ""
    if not _OPERATION.search(text) and not any(name in FUNCTIONS for name in _NAME.findall(text)):
        return ""
    counted = any(sign in "^√π+*/" for sign in text)
    if not all(_is_name(name, counted) for name in _NAME.findall(_SUBSCRIPT.sub("", text))):
        return ""
    return _APART.sub("", text.replace("×", "*"))


def has_variables(formula: str) -> bool:
    """Whether a formula holds letters other than the names of functions."""
    return any(name not in FUNCTIONS for name in _NAME.findall(formula))


def _is_name(name: str, counted: bool) -> bool:
    """A function, a variable, or, beside an operation, a product of a few variables."""
    if len(name) == 1 or name in FUNCTIONS or name == "pi":
        return True
    return counted and len(name) <= 3 and _VARIABLES.issuperset(name)
