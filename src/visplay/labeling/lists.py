"""What a list of the things on an image says: the things it names, how many of each, and what is not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from visplay.answers.text import ONES, singular
from visplay.labeling.language import COLORS, fold, read_noun
from visplay.labeling.vocabulary import (
    COLLECTIONS,
    GROUPS_OF_PEOPLE,
    HEDGES,
    MANY,
    PHRASE_OF_VIEW,
    PLURAL_ONLY,
    PORTIONS,
    SHADES,
)

_COLOR = f"(?:(?:{'|'.join(sorted(SHADES))}) )?(?:{'|'.join(sorted(COLORS))})"
_TWO_COLORS = re.compile(rf"\b({_COLOR}) and ({_COLOR})\b")
_IN_COLOR = re.compile(rf" in {_COLOR}(?= and |$)")  # of "woman in black"
_LACKING = re.compile(r"\b(?:without|with no|lacking|missing)\b.*")  # of "car without wheels"
_POSTURE = "(?: (?:sitting|standing|lying|walking|running|sleeping|parked|hanging|placed|mounted|looking|smiling))?"
_JOINED = re.compile(
    rf"{_POSTURE} (?:next to|in front of|on top of|in|on|at|with|by|near|behind|under|above|below|beside|inside|over|"
    rf"against|around|along|holding|wearing|carrying|riding|and) |{_POSTURE}$"
)
_DENIAL = re.compile(
    r"(?:there (?:is|are) )?(?:no|not any|not an?|without(?: any)?|zero|0|absence of|lack of) "
    r"(?!other |more |.*\bsigns?\b)(?:visible )?(.+?)" + PHRASE_OF_VIEW
)
_LEAD = re.compile(r"\W*(?:(?:and|there is|there are|also) )?(?:(?:an?|the|one of the) )?")
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_NUMBERS = {word: number for number, word in enumerate(ONES)} | {"dozen": 12}
_PAIRS = {"pair": 2, "dozen": 12}  # "a pair of shoes"


@dataclass(frozen=True, slots=True)
class Listed:
    """Some things of a list: a noun phrase, and their number where the phrase gives it.

    Example: `Listed("red car", 2, written=True)` for "two red cars", `Listed("tree", None)` for "some trees". `written`
    says that the number is a word of the list.
    """

    phrase: str
    number: int | None
    written: bool = False


_SOMETHING = Listed("thing", None)


@dataclass(frozen=True, slots=True)
class ThingList:
    """The things that a list names, and the noun phrases of what it denies."""

    things: tuple[Listed, ...]
    absent: tuple[str, ...]

    def denies(self, noun: str, names: Callable[[str, str], bool | None]) -> bool:
        """Whether it says that there is no such thing: "no people" denies a "man"; "no red car" denies no "car"."""
        return any(names(absent, noun) for absent in self.absent)


def read_list(facts: Sequence[str]) -> ThingList:
    """The meaning of the phrases of a list; one about what may be there gives a thing of which nothing is known."""
    things: list[Listed] = []
    absent: list[str] = []
    for fact in (" ".join(fact.lower().split()).rstrip(".;") for fact in facts):
        denied = _DENIAL.fullmatch(fact)
        if fact in ("nobody", "no one", "no-one"):
            absent.append("person")
        elif denied:
            absent += (noun for part in re.split(" or |/", denied[1]) if (noun := read_noun(part)))
        elif not HEDGES.isdisjoint(_WORD.findall(fact)) or "?" in fact:
            things.append(_SOMETHING)
        elif fact and fact != "orange" and COLORS.issuperset(fact.split()):
            things.append(Listed(f"{fact} thing", None))  # of "black, white cat"
        else:
            things += _things(fact)
    return ThingList(tuple(things), tuple(absent))


def _things(fact: str) -> Iterator[Listed]:
    """The things of a phrase: "man with a red hat" names two, "red and white bus" one, "car without wheels" one."""
    fact = _IN_COLOR.sub("", _LACKING.sub("", fact)).strip()
    for part in _JOINED.split(_TWO_COLORS.sub(r"\1+\2", fact)):
        whole, of, content = part.partition(" of ")
        if not of:
            yield from _counted(part)
            continue
        head = fold(whole.split()[-1]) if whole.split() else ""
        lead = _LEAD.sub("", whole, count=1)
        if head in _COLLECTIONS:
            for thing in _counted(content):
                number = None if thing.phrase.split()[-1] in PLURAL_ONLY else _PAIRS.get(lead)
                yield Listed(thing.phrase, number, number is not None)
        else:
            yield from _counted(whole)
            # A portion is of what there is; a statue, a picture or a leg of something need not be.
            portion = head in _PORTIONS and "empty" not in whole.split()
            yield from (Listed(thing.phrase, None) for thing in _counted(content)) if portion else (_SOMETHING,)


def _counted(text: str) -> Iterator[Listed]:
    """A noun phrase with its number: the word before a plural, 1 for a singular, None for a plural alone."""
    words = _WORD.findall(_LEAD.sub("", text, count=1))
    many = bool(words) and words[0] in MANY
    words = words[1:] if many else words
    first = words[0] if len(words) > 1 else ""
    number = int(first) if first.isdecimal() and len(first) < 5 else _NUMBERS.get(first)
    if number is not None:
        words = words[1:]
    if not words or number == 0:
        return
    plural = singular(words[-1]) != words[-1] or fold(words[-1]) in _GROUPS_OF_PEOPLE
    # "3 story house" has three stories: only a plural can be counted.
    alone = not (many or plural) and number in (None, 1)
    written = number is not None and number != 1 and plural and words[-1] not in PLURAL_ONLY
    yield Listed(" ".join(words), number if written else 1 if alone else None, written)


_COLLECTIONS, _PORTIONS, _GROUPS_OF_PEOPLE = (
    frozenset(map(fold, words)) for words in (COLLECTIONS, PORTIONS, GROUPS_OF_PEOPLE)
)
