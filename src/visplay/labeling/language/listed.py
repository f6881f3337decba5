"""What follows from a list of everything that an image shows: "red car, two small dogs, man with a hat"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from visplay.answers import normalise
from visplay.labeling.language.meaning import Meaning
from visplay.labeling.language.nouns import ANYTHING, COLORS, SIZES, fold, names, one


@dataclass(frozen=True, slots=True)
class Thing:
    """Something listed: its properties and name, and how many of it, None where a list does not say."""

    phrase: str
    number: int | None


_JOINED = re.compile(r" (?:in|on|at|of|with|by|near|behind|under|above|below|beside|holding|wearing) ")
_LEAD = re.compile(r"\W*(?:and )?(?:(?:an?|the) |(?P<some>some|several|many|few|multiple|various) )?")
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def things(facts: Sequence[str]) -> list[Thing]:
    """What phrases list: "two red cars" is one thing twice, "man with a hat" are two things."""
    listed = [_thing(part) for fact in facts for part in _JOINED.split(fact.lower())]
    return [thing for thing in listed if thing.phrase and thing.number != 0]


def _thing(text: str) -> Thing:
    lead = _LEAD.match(text)
    words = _WORD.findall(text[lead.end() :] if lead else text)
    number = normalise(words[0]).value if len(words) > 1 else None
    if number is not None:
        return Thing(" ".join(words[1:]), int(number))
    many = bool(lead and lead["some"]) or one("".join(words[-1:])) != "".join(words[-1:])
    return Thing(" ".join(words), None if many else 1)


def answer_from(facts: Sequence[str], meaning: Meaning) -> str | None:
    """The answer that a list of everything on the image gives, None where the list does not settle it."""
    listed = things(facts)
    first = meaning.nouns[0]
    match meaning.kind:
        case "exists":
            present = _present(first, listed)
            return None if present is None else _yes(present != meaning.negated)
        case "count":
            number = _number(first, listed)
            return None if number is None else str(number)
        case "more":
            more, fewer = (_number(noun, listed) for noun in meaning.nouns)
            return None if more is None or fewer is None else _yes(more > fewer)
        case "attribute" if meaning.word == "color":
            colors = COLORS.intersection(fold(word) for word in _only(first, listed))
            return next(iter(colors)) if len(colors) == 1 else None
        case "which":
            said = COLORS | SIZES | ANYTHING | {fold(word) for word in first.split()}
            return " ".join(word for word in _only(first, listed) if fold(word) not in said) or None
        case _:
            return None


def supposes_wrongly(facts: Sequence[str], meaning: Meaning) -> bool | None:
    """Whether a question speaks of "the" thing, or of two, where a list has none of it or several.

    None where the list does not tell, or the question supposes nothing.
    """
    if meaning.kind not in ("attribute", "which", "relation"):
        return None
    listed = things(facts)
    numbers = [_number(noun, listed) for noun in meaning.nouns]
    if any(number is not None and number != 1 for number in numbers):
        return True
    return None if None in numbers else False


def _present(noun: str, listed: Sequence[Thing]) -> bool | None:
    named = [names(noun, thing.phrase) for thing in listed]
    return True if True in named else None if None in named else False


def _number(noun: str, listed: Sequence[Thing]) -> int | None:
    total = 0
    for thing in listed:
        named = names(noun, thing.phrase)
        if named is None or (named and thing.number is None):
            return None
        total += (thing.number or 0) * named
    return total


def _only(noun: str, listed: Sequence[Thing]) -> list[str]:
    """The words of the one thing that a noun names; none where there is no such thing, or more than one."""
    if _number(noun, listed) != 1:
        return []
    return next(thing.phrase.split() for thing in listed if names(noun, thing.phrase))


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
