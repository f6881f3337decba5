"""The lab's language: templates that both write and parse its questions. Answers are in `oracle.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from visplay.lab.scene import COLORS, SHAPES
from visplay.types import QuestionType

Kind = Literal[
    "color", "shape", "exists", "absent", "count", "half", "more", "fewer", "left", "right", "above", "below",
    "bigger", "smaller", "same color", "same shape", "record",
]  # fmt: skip
Relation = Literal["left", "right", "above", "below", "closest", "furthest"]
_NEUTRAL = ("shape", "object")
_PLURALS = {name: f"{name}s" for name in (*SHAPES, *_NEUTRAL)} | {"cross": "crosses"}
_SINGULARS = {plural: name for name, plural in _PLURALS.items()}
_RELATIONS: dict[Relation, str] = {
    "left": "left of",
    "right": "right of",
    "above": "above",
    "below": "below",
    "closest": "closest to",
    "furthest": "furthest from",
}
_HALVES: dict[Relation, str] = {
    "left": "on the left side of the image",
    "right": "on the right side of the image",
    "above": "in the top half of the image",
    "below": "in the bottom half of the image",
}
DIRECTIONS: tuple[Relation, ...] = ("left", "right", "above", "below")
DISTANCES: tuple[Relation, ...] = ("closest", "furthest")


@dataclass(frozen=True, slots=True)
class Noun:
    """The noun of a question: a colour, a shape, both, or neither ("shape", "object")."""

    color: str | None = None
    shape: str | None = None

    def words(self, plural: bool = False, neutral: str = "shape") -> str:
        """The noun in words: "red circle", "circles", "red shapes", or `neutral` where it names no shape."""
        shape = self.shape or neutral
        words = _PLURALS[shape] if plural else shape
        return f"{self.color} {words}" if self.color else words


@dataclass(frozen=True, slots=True)
class Query:
    """The meaning of a question: its kind and the nouns it names.

    Example: `Query("color", Noun(), Noun("red", "circle"), "left")` is "what color is the shape left of the red
    circle?", and `Query("half", Noun(None, "cross"), relation="above")` "is the cross in the top half of the image?".
    """

    kind: Kind
    noun: Noun
    other: Noun | None = None
    relation: Relation | None = None

    @property
    def is_two_hop(self) -> bool:
        """The answer is about things that are found by their relation to another thing."""
        return self.other is not None and (self.relation is not None or self.kind in ("same color", "same shape"))


# {a} is the first noun, {A} its plural; {b} and {B} are the second noun; {r} is a relation, {h} a half of the image.
TEMPLATES: dict[Kind, tuple[str, ...]] = {
    "color": ("what color is the {a}?", "what is the color of the {a}?"),
    "shape": ("what is the {a}?", "what is the shape of the {a}?"),
    "exists": (
        "is there a {a}?",
        "is there a {a} in the image?",
        "does the image contain a {a}?",
        "is a {a} present?",
    ),
    "absent": (
        "is there not a {a}?",
        "is there not a {a} in the image?",
        "does the image not contain a {a}?",
        "is no {a} present?",
    ),
    "count": ("how many {A} are there?", "how many {A} are in the image?"),
    "half": ("is the {a} {h}?",),
    "more": ("are there more {A} than {B}?",),
    "fewer": ("are there fewer {A} than {B}?",),
    "left": ("is the {a} left of the {b}?",),
    "right": ("is the {a} right of the {b}?",),
    "above": ("is the {a} above the {b}?",),
    "below": ("is the {a} below the {b}?",),
    "bigger": ("is the {a} bigger than the {b}?",),
    "smaller": ("is the {a} smaller than the {b}?",),
    "same color": ("how many {A} have the color of the {b}?",),
    "same shape": ("how many {A} have the shape of the {b}?",),
    "record": ("describe all {A}.",),
}
# Templates of questions about the thing, or the things, in a relation to another thing.
TWO_HOP: dict[Kind, tuple[str, ...]] = {
    "color": ("what color is the {a} {r} the {b}?", "what is the color of the {a} that is {r} the {b}?"),
    "shape": ("what shape is the {a} {r} the {b}?", "what is the shape of the {a} that is {r} the {b}?"),
    "count": ("how many {A} are {r} the {b}?",),
}
# Templates for the only shape of an image.
_ONLY_SHAPE = ("what shape is in the image?", "what shape is present?", "what shape does the image contain?")
# Further wordings that a Questioner or a program may use; `write` does not.
_ONLY_SHAPE_READ = ("what is the shape?", "what is the shape in the image?")
_READ: dict[Kind, tuple[str, ...]] = {"shape": ("what shape is the {a}?",)}


def question_type(kind: Kind) -> QuestionType:
    """The Questioner's type tag for a kind: open, numerical, or yes/no as multiple choice."""
    if kind in ("color", "shape", "record"):
        return "open"
    return "numerical" if kind in ("count", "same color", "same shape") else "multiple choice"


def write(query: Query, rng: np.random.Generator) -> str:
    """One of the wordings of `query`, chosen by `rng`."""
    if query == Query("shape", Noun()):
        return _ONLY_SHAPE[rng.integers(len(_ONLY_SHAPE))]
    wordings = (TWO_HOP if query.relation and query.other else TEMPLATES)[query.kind]
    # "what is the shape of the shape?" would be odd.
    neutral = "object" if query.kind in ("shape", "same shape") else str(rng.choice(_NEUTRAL, p=[0.7, 0.3]))
    words: dict[str, str] = {}
    for letter, noun in zip("ab", (query.noun, query.other or Noun()), strict=True):
        words |= {letter: noun.words(neutral=neutral), letter.upper(): noun.words(plural=True, neutral=neutral)}
    if query.relation:
        words |= {"r": _RELATIONS[query.relation], "h": _HALVES.get(query.relation, "")}
    return wordings[rng.integers(len(wordings))].format(**words)


def read(question: str) -> Query | None:
    """The meaning of a question; None if it is not in the language.

    `write` knows the article "a" alone; "an orange circle" is read as well.
    """
    text = " ".join("a" if word == "an" else word for word in question.lower().split())
    if text in _ONLY_SHAPE + _ONLY_SHAPE_READ:
        return Query("shape", Noun())
    for kind, pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        if found is not None:
            parts = found.groupdict()
            noun = _noun(parts["a"])
            if (kind == "color" and noun.color) or (kind == "shape" and noun.shape):
                continue  # it contains its answer
            other = _noun(parts["b"]) if "b" in parts else None
            return Query(kind, noun, other, _relation(parts))
    return None


def _relation(parts: dict[str, str]) -> Relation | None:
    phrases = _RELATIONS if "r" in parts else _HALVES
    phrase = parts.get("r") or parts.get("h")
    return next((relation for relation, words in phrases.items() if words == phrase), None)


def _noun(text: str) -> Noun:
    *color, name = text.split()
    name = _SINGULARS.get(name, name)
    return Noun(color[0] if color else None, None if name in _NEUTRAL else name)


def _pattern(template: str) -> re.Pattern[str]:
    color = f"(?:(?:{'|'.join(COLORS)}) )?"
    groups = {letter: f"(?P<{letter}>{color}(?:{'|'.join(_PLURALS)}))" for letter in "ab"}
    groups |= {letter.upper(): f"(?P<{letter}>{color}(?:{'|'.join(_SINGULARS)}))" for letter in "ab"}
    groups |= {"r": f"(?P<r>{'|'.join(_RELATIONS.values())})", "h": f"(?P<h>{'|'.join(_HALVES.values())})"}
    return re.compile(template.replace("?", r"\?").replace(".", r"\.").format(**groups))


_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, _pattern(template))
    for templates in (TEMPLATES, TWO_HOP, _READ)
    for kind, wordings in templates.items()
    for template in wordings
)
KINDS: tuple[Kind, ...] = get_args(Kind)
