"""A scene from phrases such as "red circle 3 7 2, two dogs, no people": the notation of small models.

Digits at the end of a phrase are row, column and size in tenths. Words before the name are attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from visplay.answers import normalise
from visplay.answers.text import singular
from visplay.labeling.language import COLORS, SIZES
from visplay.labeling.records.schema import Scene, Thing

_MOST = 200  # phrases of a text, and things of a scene before its own limit
_LONGEST, _WORDS = 80, 8  # characters and words of a phrase
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_MARKUP = re.compile(r"[<>{}=\\]")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+")
_ARTICLES = frozenset("a an the".split())
_SEVERAL = frozenset("some several many few multiple various numerous lots".split())
_NONE = frozenset("no zero 0".split())
_GROUPS = frozenset("group row crowd bunch number lot set stack pile flock herd line bowl basket box bouquet".split())
_PAIRS = frozenset("pair couple".split())
_JOINING = frozenset(
    "in on at with by near behind under above below beside from over next to inside outside holding wearing riding "
    "carrying sitting standing lying eating".split()
)
# Words of sentences: what holds one of them is prose, and names no thing in this notation.
_PROSE = frozenset(
    "is are was were be been am has have do does can cannot can't could would should may might must i we you he she it "
    "they this that these those there here which who what where when why how because so but if as shows show see seems "
    "appears image picture photo sorry unable unknown null not none nothing all every each other".split()
)
_DETERMINERS = _ARTICLES | _SEVERAL | _NONE


def read_phrases(text: str) -> tuple[Scene, int] | None:
    """The scene of a list of phrases, and how many phrases could not be read; None if none could be read.

    "none" is a scene without things. The time is linear in the length of `text`.
    """
    if text.strip(" .\n").lower() in ("none", "nothing"):
        return Scene(), 0
    if _MARKUP.search(text):
        return None
    things: list[Thing] = []
    absent: list[str] = []
    dropped = 0
    phrases = [phrase for phrase in _phrases(text) if _WORD.search(phrase)]
    for phrase in phrases[:_MOST]:
        found = read_phrase(phrase)
        things += [one for one in found if isinstance(one, Thing)]
        absent += [one for one in found if isinstance(one, str)]
        dropped += not found
    dropped += max(0, len(phrases) - _MOST)
    if not things and not absent:
        return None
    most = 100  # the limit of `Scene`
    dropped += max(0, len(things) - most) + max(0, len(absent) - most)
    return Scene(things=tuple(things[:most]), absent=tuple(absent[:most])), dropped


def _phrases(text: str) -> Iterator[str]:
    """Parts between commas, ends of lines and "and"; "black and white cat" is one of them."""
    for line in text.lower().replace("grey", "gray").split("\n"):
        for part in re.split(r"[,;]|\.(?:\s|$)", _BULLET.sub("", line)):
            pieces: list[str] = []
            for piece in part.split(" and "):
                if pieces and set(pieces[-1].split()) <= COLORS | SIZES | _ARTICLES:
                    pieces[-1] += f" and {piece}"
                else:
                    pieces.append(piece)
            yield from pieces


def read_phrase(phrase: str) -> list[Thing | str]:
    """The things that a phrase in lower case names, or what it denies; empty if it is none.

    "man with a red hat" names two things. "no people" denies "person". "no man with a hat" is about men with hats and
    denies no man, so nothing is read from it.
    """
    words = _WORD.findall(phrase.removeprefix("and "))
    digits: list[int] = []
    while words and len(digits) < 3 and len(words[-1]) == 1 and words[-1].isdecimal():
        digits.insert(0, int(words.pop()))
    if not words or len(words) > _WORDS or len(" ".join(words)) > _LONGEST or words[-1].isdecimal():
        return []
    if not _PROSE.isdisjoint(words):
        return []
    parts = _parts(words)
    if words[0] in _NONE:
        nouns = [word for word in words if word not in _DETERMINERS]
        return [" ".join((*nouns[:-1], singular(nouns[-1])))] if len(parts) == 1 and nouns else []
    places = dict(zip(("row", "column", "size"), digits, strict=False))
    return [_thing(part, places if place == 0 else {}) for place, part in enumerate(parts)]


def _parts(words: Sequence[str]) -> list[list[str]]:
    """The words of each thing: "man with a hat" has two. What follows "without" is not on the image."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "without":
            break
        if word == "of" and parts[-1] and parts[-1][-1] not in _SEVERAL:
            group = singular(parts[-1][-1])
            if group in _PAIRS and not set(parts[-1][:-1]) - _ARTICLES:
                parts[-1] = ["two"]
            elif group in _GROUPS:
                parts[-1] = ["several"]
            else:  # what a slice, a glass or a map is of cannot be counted
                parts.append(["several"])
        elif word in _JOINING:
            parts.append([])
        elif word != "of":
            parts[-1].append(word)
    return [part for part in parts if set(part) - _DETERMINERS]


def _thing(words: Sequence[str], places: dict[str, int]) -> Thing:
    number = _whole(words[0]) if len(words) > 1 else None
    *before, last = [word for word in words[number is not None :] if word not in _DETERMINERS]
    name = singular(last)
    plural = name != last
    # A number before a singular may be of the word between them, as in "three story building".
    several = not _SEVERAL.isdisjoint(words) or (plural if number is None else plural == (number == 1))
    count = "several" if several else count_of(1 if number is None else number)
    return Thing(name=name, attributes=attributes_of(before), count=count, **places)


def denies(phrase: str, name: str, attributes: Mapping[str, str]) -> bool:
    """Whether a phrase of `Scene.absent` denies a thing: "car" and "red car" deny a red car, "blue car" does not."""
    *stated, head = phrase.lower().split() or [""]
    words = " ".join((*attributes.values(), name)).lower().split()
    return singular(head) == singular(words[-1] if words else "") and set(stated) <= set(words)


def attributes_of(words: Sequence[str]) -> dict[str, str]:
    """Words before a name as attributes: colours, sizes, and all others as its kind."""
    named: dict[str, list[str]] = {}
    for word in words:
        if word != "and":
            key = "color" if word in COLORS else "size" if word in SIZES else "kind"
            named.setdefault(key, []).append(word)
    return {key: " and ".join(found) if key == "color" else " ".join(found) for key, found in named.items()}


def count_of(given: object) -> Any:
    """A count as `Thing` has it, 0 for none: "two" is 2, and what is no number up to 1000 is "several"."""
    if isinstance(given, str):
        given = _whole(given)
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= 1000 else "several"


def _whole(text: str) -> int | None:
    """The whole number that a text is: 2 for "2" and "two"."""
    quantity = normalise(text[:40]).quantity
    whole = quantity is not None and not quantity.unit and quantity.value.denominator == 1
    return int(quantity.value) if quantity and whole else None
