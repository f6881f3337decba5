"""Several values in one answer: ranges, ratios, tuples, intervals, sets, unions and comparisons."""

from __future__ import annotations

import re

UNORDERED = frozenset({"{}", "∪", "or", "="})
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_BETWEEN = re.compile(r"(?:between|from) (.+?) (?:and|to) (.+)", re.IGNORECASE)
_TO = re.compile(r"(.+?)(?: to (?:about )?| ?(?:~|-+) ?)(?=[$€£¥#.]?[0-9])(.+)", re.IGNORECASE)
_RELATION = re.compile(r"([^<>≤≥≠]+)(<=|>=|!=|=<|[<>≤≥≠])([^<>≤≥≠=]+)")
_FLIPPED = {">": "<", "≥": "≤"}
_PLAIN = {"<=": "≤", "=<": "≤", ">=": "≥", "!=": "≠"}


def split_bracketed(text: str) -> tuple[str, list[str]] | None:
    """The brackets and values of `(2, 3)`, `[0, 1)`, `{1, 2}`, `[1 & 0 ; 0 & 1]`; None for any other text.

    `[2, 3]` and `(2, 3)` have the same brackets, because points and boxes are written in both ways.
    """
    if len(text) < 2 or text[0] not in _CLOSING or text[-1] not in ")]}":
        return None
    if text[0] == "[" and ("&" in text or ";" in text):
        rows = [row.split("&") for row in text[1:-1].strip(" ;").split(";")]
        return f"matrix of {len(rows)}", [cell for row in rows for cell in row]
    places = _outside(text[1:-1], ",")
    if places is None or (len(places) < 2 and text[0] != "{"):
        return None
    brackets = text[0] + text[-1]
    if "{" in brackets or "}" in brackets:
        return ("{}", places) if brackets == "{}" else None
    return ("()" if _CLOSING[text[0]] == text[-1] else brackets), places


def split_plain(text: str) -> tuple[str, list[str]] | None:
    """Sign and values of `10-20`, `10 to 20`, `2:1`, `x < 3`, `a ∪ b`, `2, 3`; None for any other text.

    `to` has no sign, since it stands in ranges and in ratios.
    """
    if "∪" in text:
        parts = _outside(text, "∪")
        return ("∪", parts) if parts and len(parts) > 1 else None
    relation = _RELATION.fullmatch(text)
    if relation:
        sign = _PLAIN.get(relation[2], relation[2])
        sides = [relation[1], relation[3]]
        return (_FLIPPED[sign], sides[::-1]) if sign in _FLIPPED else (sign, sides)
    between = _BETWEEN.fullmatch(text)
    if between:
        return "-", [between[1], between[2]]
    ratio = [part.strip() for part in text.split(":")]
    if len(ratio) > 1 and all(part[:1].isdigit() for part in ratio):
        return ":", ratio
    to = _TO.fullmatch(text)
    if to and not (to[1].isdigit() and to[2].count("-")):
        joint = text[len(to[1]) : len(text) - len(to[2])]
        return ("" if "to" in joint.lower() else "-"), [to[1], to[2]]
    either = re.split(r" or |, or ", text)
    if len(either) > 1:
        return "or", either
    parts = _outside(text, ",")
    return (",", parts) if parts and len(parts) > 1 else None


def _outside(text: str, sign: str) -> list[str] | None:
    """The parts between the signs that are outside all brackets; None if brackets do not match or a part is blank."""
    depth, begin, parts = 0, 0, []
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0 and sign != "∪":
            return None
        if letter == sign and depth == 0:
            parts.append(text[begin:place].strip())
            begin = place + 1
    parts.append(text[begin:].strip())
    return parts if depth == 0 and all(parts) else None
