"""Short phrases as content words; articles, plurals, spelling variants and hyphens do not count.

Left out: synonyms and word order. A phrase with an additional content word is a different answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\W_]+(?:['.][^\W_]+)*|[^\w\s]|_")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_DOTTED = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_IGNORED = frozenset(".,;!?\"'")
# Brackets and operators have a meaning in a formula, but not among words.
_IGNORED_WITHOUT_DIGITS = _IGNORED | frozenset(":()[]*_`&")

_PREPOSITIONS = frozenset({"on", "in", "at", "to"})
_DIRECTIONS = frozenset(
    "left right top bottom center middle front back upper lower north south east west background foreground".split()  # noqa: SIM905
)
_DIRECTION_NOUNS = frozenset({"side", "hand", "corner", "part", "half"})

_SPELLING = {
    "grey": "gray", "colour": "color", "centre": "center", "metre": "meter", "litre": "liter",
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "sixth": "6th",
    "seventh": "7th", "eighth": "8th", "ninth": "9th", "tenth": "10th",
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "leaves": "leaf", "knives": "knife", "wolves": "wolf", "shelves": "shelf",
    "loaves": "loaf", "scarves": "scarf", "halves": "half", "wives": "wife", "lives": "life", "calves": "calf",
    "thieves": "thief", "axes": "axe", "canoes": "canoe", "cookies": "cookie", "movies": "movie",
    "zombies": "zombie", "hoodies": "hoodie", "brownies": "brownie", "smoothies": "smoothie", "gases": "gas",
    "lenses": "lens", "policemen": "policeman", "firemen": "fireman", "vertices": "vertex", "axis": "axis",
}  # fmt: skip
_SINGULAR_IN_S = frozenset(
    "gas lens series species news atlas canvas christmas texas always perhaps sometimes does yes".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Content words joined by spaces, and the preposition of place before them, if any."""

    words: str
    preposition: str = ""


def parse_phrase(text: str) -> Phrase:
    """The phrase of a plain text in lower case; `words` is empty only for an empty text.

    `on the left side` and `left` give the same phrase. `on the box` and `box` have the same words, the former with a
    preposition.
    """
    tokens = _content(_HYPHEN.sub(" ", text))
    if len(tokens) > 2 and tokens[0] == "the" and tokens[-1] in ("one", "ones"):
        tokens = tokens[:-1]
    words = [_canonical(word) for i, word in enumerate(tokens) if not _is_filler(tokens, i)]
    if not words:
        return Phrase(" ".join(tokens) or text)
    direction = _direction(words)
    if direction:
        return Phrase(direction)
    if words[0] in _PREPOSITIONS and len(words) > 1:
        return Phrase(" ".join(words[1:]), words[0])
    return Phrase(" ".join(words))


def singular(word: str) -> str:
    """The singular of an English noun in lower case, by rules; other words unchanged."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")) or word in _SINGULAR_IN_S:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")) or (word.endswith("oes") and len(word) > 5):
        return word[:-2]
    if word.endswith("uses") and not word.endswith("ouses"):
        return word[:-2]
    return word[:-1]


def _content(text: str) -> list[str]:
    ignored = _IGNORED if any(sign.isdigit() for sign in text) else _IGNORED_WITHOUT_DIGITS
    tokens = []
    for token in _TOKEN.findall(text):
        if _DOTTED.fullmatch(token):
            token = token.replace(".", "")
        # The comma is kept, because `a` before a comma is a letter and not an article, as in `a, b`.
        if token not in ignored or token == ",":
            tokens.append(token.replace("'", ""))
    return tokens


def _is_filler(tokens: list[str], i: int) -> bool:
    if tokens[i] in ("the", "an", "and", ","):
        return True
    following = tokens[i + 1] if i + 1 < len(tokens) else ""
    return tokens[i] == "a" and len(following) > 1 and following.isalpha() and following not in ("or", "and")


def _canonical(word: str) -> str:
    word = _SPELLING.get(word, word)
    return _SPELLING.get(singular(word), singular(word))


def _direction(words: list[str]) -> str:
    if words[0] in _PREPOSITIONS:
        words = words[1:]
    while len(words) > 1 and words[-1] in _DIRECTION_NOUNS:
        words = words[:-1]
    return " ".join(words) if words and all(word in _DIRECTIONS for word in words) else ""
