"""The lab's language: templates that both write and parse its questions. Answers are in `oracle.py`."""

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
_PLURALS = {shape: f"{shape}s" for shape in (*SHAPES, "shape")} | {"cross": "crosses"}
_SINGULARS = {plural: name for name, plural in _PLURALS.items()}


@dataclass(frozen=True, slots=True)
class Noun:
    """The noun of a question: a colour, a shape, both, or neither ("shape")."""

    color: str | None = None
    shape: str | None = None

    def words(self, plural: bool = False) -> str:
        """The noun in words: "red circle", "circles", "red shapes", "shape"."""
        shape = self.shape or "shape"
        words = _PLURALS[shape] if plural else shape
        return f"{self.color} {words}" if self.color else words


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


def question_type(kind: Kind) -> QuestionType:
    """The Questioner's type tag for a kind: open, numerical, or yes/no as multiple choice."""
    return "open" if kind in ("color", "shape") else "numerical" if kind == "count" else "multiple choice"


def write(query: Query, rng: np.random.Generator) -> str:
    """One of the wordings of `query`, chosen by `rng`."""
    wordings = _ONLY_SHAPE if query == Query("shape", Noun()) else TEMPLATES[query.kind]
    words: dict[str, str] = {}
    for letter, noun in zip("ab", (query.noun, query.other or Noun()), strict=True):
        words |= {letter: noun.words(), letter.upper(): noun.words(plural=True)}
    return wordings[rng.integers(len(wordings))].format(**words)


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
        contains_answer = (kind == "color" and nouns[0].color) or (kind == "shape" and nouns[0].shape)
        if not contains_answer:
            return Query(kind, *nouns)
    return None


def _noun(text: str) -> Noun:
    *color, name = text.split()
    name = _SINGULARS.get(name, name)
    return Noun(color[0] if color else None, None if name == "shape" else name)


def _pattern(template: str) -> re.Pattern[str]:
    marks = {"a": _PLURALS, "b": _PLURALS, "A": _SINGULARS, "B": _SINGULARS}
    nouns = {mark: f"((?:(?:{'|'.join(COLORS)}) )?(?:{'|'.join(names)}))" for mark, names in marks.items()}
    return re.compile(template.replace("?", r"\?").format(**nouns))


_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, _pattern(template)) for kind, templates in TEMPLATES.items() for template in templates
)
