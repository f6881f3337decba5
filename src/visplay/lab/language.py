"""The lab's language: templates that both write and parse its questions.

A `Query` is the meaning of a question. `write` gives a question for a query. `read` parses a question, and returns None
if it is not in the language. Answers are in `oracle.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from visplay.lab.scene import COLORS, SHAPES
from visplay.types import QuestionType

Kind = Literal[
    "color", "shape", "exists", "absent", "count", "more", "left", "right", "above", "below", "bigger", "smaller"
]


@dataclass(frozen=True, slots=True)
class Noun:
    """The noun of a question: a colour, a shape, both, or neither ("shape")."""

    color: str | None = None
    shape: str | None = None

    def words(self, plural: bool = False) -> str:
        """The noun in words: "red circle", "circles", "red shapes", "shape"."""
        name = (self.shape or "shape") + ("s" if plural else "")
        name = name.replace("crosss", "crosses")
        return f"{self.color} {name}" if self.color else name


@dataclass(frozen=True, slots=True)
class Query:
    """The meaning of a question: its kind and the one or two nouns it names."""

    kind: Kind
    noun: Noun
    other: Noun | None = None


# {a} is the first noun, {A} its plural; {b} and {B} are the second noun.
TEMPLATES: dict[Kind, tuple[str, ...]] = {
    "color": ("what color is the {a}?", "what is the color of the {a}?"),
    "shape": ("what is the {a}?",),
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
    "more": ("are there more {A} than {B}?",),
    "left": ("is the {a} left of the {b}?",),
    "right": ("is the {a} right of the {b}?",),
    "above": ("is the {a} above the {b}?",),
    "below": ("is the {a} below the {b}?",),
    "bigger": ("is the {a} bigger than the {b}?",),
    "smaller": ("is the {a} smaller than the {b}?",),
}
# Templates for the only shape of an image.
_ONLY_SHAPE = ("what shape is in the image?", "what shape is present?", "what shape does the image contain?")
# Further wordings that a Questioner may use; `write` does not.
_ONLY_SHAPE_READ = ("what is the shape?", "what is the shape in the image?")

_TYPES: dict[Kind, QuestionType] = {"color": "open", "shape": "open", "count": "numerical"}


def question_type(kind: Kind) -> QuestionType:
    """The Questioner's type tag for a kind: open, numerical, or yes/no as multiple choice."""
    return _TYPES.get(kind, "multiple choice")


def write(query: Query, rng: np.random.Generator) -> str:
    """One of the wordings of `query`, chosen by `rng`."""
    if query.kind == "shape" and query.noun.color is None:
        return _ONLY_SHAPE[rng.integers(len(_ONLY_SHAPE))]
    choices = TEMPLATES[query.kind]
    return _fill(choices[rng.integers(len(choices))], query)


def read(question: str) -> Query | None:
    """The meaning of a question; None if it is not in the language."""
    text = " ".join(question.lower().split())
    if text in _ONLY_SHAPE + _ONLY_SHAPE_READ:
        return Query("shape", Noun())
    for kind, pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        if found is None:
            continue
        nouns = [_noun(part) for part in found.groups()]
        query = Query(kind, nouns[0], nouns[1] if len(nouns) > 1 else None)
        if _sensible(query):
            return query
    return None


def _fill(template: str, query: Query) -> str:
    second = query.other or Noun()
    return template.format(
        a=query.noun.words(), A=query.noun.words(plural=True), b=second.words(), B=second.words(plural=True)
    )


def _noun(text: str) -> Noun:
    *color, name = text.split()
    name = "cross" if name in ("cross", "crosses") else name.removesuffix("s")
    return Noun(color[0] if color else None, None if name == "shape" else name)


def _sensible(query: Query) -> bool:
    # False for questions that contain their answer: "what color is the red circle?", "what is the circle?".
    if query.kind == "color":
        return query.noun.color is None
    if query.kind == "shape":
        return query.noun.shape is None and query.noun.color is not None
    return True


def _pattern(template: str) -> re.Pattern[str]:
    color = "(?:" + "|".join(COLORS) + ")"
    one = "(?:" + "|".join((*SHAPES, "shape")) + ")"
    many = "(?:" + "|".join((*(s + "s" for s in SHAPES if s != "cross"), "crosses", "shapes")) + ")"
    text = re.escape(template).replace(r"\{", "{").replace(r"\}", "}").replace(r"\ ", " ")
    for mark, name in (("{a}", one), ("{b}", one), ("{A}", many), ("{B}", many)):
        text = text.replace(mark, f"((?:{color} )?{name})")
    return re.compile(text)


_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, _pattern(template)) for kind, templates in TEMPLATES.items() for template in templates
)
