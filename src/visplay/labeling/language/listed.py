"""Answers from a list of all things on an image, such as "red car, two small dogs, man with a hat"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from visplay.answers import normalise
from visplay.labeling.language.meaning import Meaning
from visplay.labeling.language.nouns import ANYTHING, COLORS, SIZES, fold, names, to_singular


@dataclass(frozen=True, slots=True)
class Thing:
    """An entry of a list: a noun phrase and the number of such things, None if the list does not give it."""

    phrase: str
    number: int | None


_JOINED = re.compile(r" (?:in|on|at|of|with|by|near|behind|under|above|below|beside|holding|wearing) ")
_LEAD = re.compile(r"\W*(?:and )?(?:(?:an?|the) |(?P<some>some|several|many|few|multiple|various) )?")
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def things(facts: Sequence[str]) -> list[Thing]:
    """The entries of a list; "two red cars" gives one entry with number 2, "man with a hat" gives two entries."""
    listed = [_thing(part) for fact in facts for part in _JOINED.split(fact.lower())]
    return [thing for thing in listed if thing.phrase and thing.number != 0]


def _thing(text: str) -> Thing:
    lead = _LEAD.match(text)
    words = _WORD.findall(text[lead.end() :] if lead else text)
    number = normalise(words[0]).value if len(words) > 1 else None
    if number is not None:
        return Thing(" ".join(words[1:]), int(number))
    many = bool(lead and lead["some"]) or to_singular("".join(words[-1:])) != "".join(words[-1:])
    return Thing(" ".join(words), None if many else 1)


def answer_from(facts: Sequence[str], meaning: Meaning) -> str | None:
    """The answer that follows from a list of all things on the image; None if no answer follows."""
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
            known = COLORS | SIZES | ANYTHING | {fold(word) for word in first.split()}
            return " ".join(word for word in _only(first, listed) if fold(word) not in known) or None
        case _:
            return None


def has_false_presupposition(facts: Sequence[str], meaning: Meaning) -> bool | None:
    """Whether a question is about "the" thing, but the list has no such thing or several.

    None if the list does not decide it, or the question has no presupposition.
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
    """The words of the only thing that a noun describes; empty if there is no such thing or more than one."""
    if _number(noun, listed) != 1:
        return []
    return next(thing.phrase.split() for thing in listed if names(noun, thing.phrase))


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
