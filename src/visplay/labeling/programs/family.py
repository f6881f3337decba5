"""Families of questions: wordings with slots that both write questions and read them, and a rule that answers them.

A template has three signs. `{a}` is a slot; its text becomes an argument of the rule. `[ in total]` is read, but not
written. Of `(is|are)` each is read, and the first is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import Formatter
from typing import Generic, TypeVar

import numpy as np

from visplay.labeling.programs.program import Skill
from visplay.labeling.records.schema import Record

R = TypeVar("R", bound=Record)

LONGEST_QUESTION = 300
"""Characters; a longer question is not read, because the time of a pattern grows with the square of the length."""

_PICTURE = re.compile(r"\b(?:the|this|that) (?:picture|photo|photograph|scene|drawing|figure|page|image)\b")
_SPELLINGS = (
    (re.compile(r"\bcolour"), "color"),
    (re.compile(r"\bgrey\b"), "gray"),
    (re.compile(r"\ban\b"), "a"),
    (re.compile(r"\bwhich\b"), "what"),
    (re.compile(r"\bwhat's\b"), "what is"),
    (re.compile(r"\bcan you see\b"), "do you see"),
    (_PICTURE, "the image"),
)


def plain(text: str) -> str:
    """A question or a part of it in one spelling: lower case, "the image" for any picture, "what" for "which"."""
    text = text.lower().replace("’", "'")
    for pattern, word in _SPELLINGS:
        text = pattern.sub(word, text)
    return text


@lru_cache(maxsize=65536)
def key(text: str) -> str:
    """What two spellings of a label have in common."""
    return " ".join(plain(text).split()).removeprefix("the ").strip(" ?.:!\"'")


@dataclass(frozen=True, slots=True)
class Draft(Generic[R]):
    """What the slots of a question are drawn from: a record, and nouns of other records, which may be absent here."""

    record: R
    rng: np.random.Generator
    nouns: Sequence[str] = ()

    def pick(self, values: Sequence[str]) -> str | None:
        """One of the values; None if there are none."""
        return values[int(self.rng.integers(len(values)))] if values else None


@dataclass(frozen=True, slots=True)
class Slot(Generic[R]):
    """A place in a wording.

    Attributes:
        pattern: finds its text in a plain question.
        draw: a value for a question about a record; None if the record has none.
        read: the value of a text; None if the text is not of this kind.
        write: the text of a value.
    """

    pattern: str
    draw: Callable[[Draft[R]], str | None]
    read: Callable[[str], str | None] = str
    write: Callable[[str], str] = str


def choice(texts: Mapping[str, Sequence[str]]) -> Slot[R]:
    """A slot for a few values; of the texts of each, the first is written and all are read."""
    values = {plain(text): value for value, spelt in texts.items() for text in spelt}
    pattern = "|".join(re.escape(text) for text in sorted(values, key=len, reverse=True))
    return Slot(pattern, lambda draft: draft.pick(list(texts)), values.get, lambda value: texts[value][0])


@dataclass(frozen=True)
class Wording(Generic[R]):
    """A template with its slots.

    `tail` is a pattern of what may follow, such as " in the image". The `plainest` wording of a family has the article
    "a" before any noun, as in the lab's language; its tiny model has never seen "an".
    """

    template: str
    slots: Mapping[str, Slot[R]]
    tail: str
    plainest: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The slots of the template, in order."""
        return tuple(name for _, name, *_ in Formatter().parse(self.template) if name)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pattern = ""
        for words, name, *_ in Formatter().parse(self.template):
            words = re.sub(r"[.+*^$]", r"\\\g<0>", plain(words)).replace("?", "")
            pattern += words.replace("(", "(?:").replace("[", "(?:").replace("]", ")?")
            pattern += f"(?P<{name}>{self.slots[name].pattern})" if name else ""
        return re.compile(pattern + self.tail)

    @cached_property
    def _written(self) -> str:
        return re.sub(r"\(([^|)]*)[^)]*\)", r"\1", re.sub(r"\[[^]]*\]", "", self.template))

    def write(self, values: Mapping[str, str]) -> str:
        """The question with these values, by argument."""
        text = self._written.format(**{name: self.slots[name].write(values[name.lower()]) for name in self.names})
        return text if self.plainest else re.sub(r"\ba (?=[aeiou])", "an ", text)

    def read(self, question: str) -> dict[str, str] | None:
        """The values in a plain question, by argument; None if it has another wording."""
        found = self._pattern.fullmatch(question)
        values = {name.lower(): self.slots[name].read(found[name]) for name in self.names} if found else {"": None}
        known = {name: value for name, value in values.items() if value is not None}
        return known if len(known) == len(values) else None


@dataclass(frozen=True)
class Family(Generic[R]):
    """Questions of one form about records of one kind.

    Attributes:
        hops: facts of the record that an answer combines.
        wordings: the plainest first; all have the same slots.
        rule: the answer from a record and the values of the slots; None if it does not follow.
    """

    name: str
    skill: Skill
    hops: int
    wordings: tuple[Wording[R], ...]
    rule: Callable[..., str | None]

    def draw(self, draft: Draft[R]) -> dict[str, str] | None:
        """Values for the slots of a question about a record; None if the record has none for one of them."""
        slots = {name.lower(): slot for name in self.wordings[0].names for slot in [self.wordings[0].slots[name]]}
        values = {name: value for name, slot in slots.items() if (value := slot.draw(draft)) is not None}
        return values if len(values) == len(slots) else None

    def readings(self, question: str) -> Iterator[dict[str, str]]:
        """The values of the slots under each wording that reads a plain question."""
        read = (wording.read(question) for wording in self.wordings)
        return (values for values in read if values is not None)


Rule = TypeVar("Rule", bound=Callable[..., str | None])


class Families(Generic[R]):
    """The families about one kind of record; a rule joins them by its decorator.

    Example: `@scenes("count", "counting", 1, "how many {A} are there?")` above `def _count(scene, a)`.
    """

    def __init__(self, slots: Mapping[str, Slot[R]], tail: str) -> None:
        self._slots, self._tail = slots, tail
        self.all: list[Family[R]] = []

    def __call__(self, name: str, skill: Skill, hops: int, *templates: str) -> Callable[[Rule], Rule]:
        wordings = tuple(Wording(each, self._slots, self._tail, each == templates[0]) for each in templates)

        def join(rule: Rule) -> Rule:
            self.all.append(Family(name, skill, hops, wordings, rule))
            return rule

        return join
