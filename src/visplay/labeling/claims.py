"""Claims: single yes/no questions that an answer settles, and claims that are false on purpose.

Each claim is asked alone. A claim follows from its answer, so answers that can both be true make no claims against one
another. False claims come from another answer, with one field swapped: a colour, a number, the sides of a relation, or
a name (as in DUEL, arXiv 2605.24794). What a checker says to them shows how far to trust it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from visplay.answers import Answer, is_refusal, listed_options, match, normalise
from visplay.answers.text import singular
from visplay.interfaces.labeler import Voter
from visplay.labeling.language import (
    ANYTHING,
    COLORS,
    KINDS,
    OPPOSITES,
    PROPERTIES,
    Meaning,
    exclude,
    fold,
    read_meaning,
    read_noun,
)
from visplay.labeling.vocabulary import SHADES
from visplay.types import Augmentation, Question

MOST_CLAIMS = 2
"""Largest number of claims of an answer."""

_YES_OR_NO = re.compile(r"(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|must)\b(?!.* or )")
_VAGUE = re.compile(
    r"\b(?:about|around|approximately|approx|roughly|nearly|almost|least|most|more|less|fewer|over|under|up|or|to|some|"
    r"between|several|many)\b|[~≈+<>≥≤±–-]"
)
_THE = r"(?:the|this|that|these|those|his|her|its|their|your) (?!most |least |\w+est )"
_COUNTS = (
    re.compile(r"how many (?P<what>.+?) (?P<be>is|are|was|were) (?P<rest>.+)", re.IGNORECASE),
    re.compile(r"how many (?P<what>.+?) (?P<be>do|does|did|can|could) (?P<rest>.+)", re.IGNORECASE),
)
# What is asked for becomes the end of a yes/no question: "what is the man holding?" → "is the man holding a cup?"
_FORMS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE), claim)
    for kind, pattern, claim in (
        ("color", r"(?:what|which) colou?r (?P<be>is|are|was|were) (?P<who>.+)", "{be} {who} {value}?"),
        ("property", rf"what (?P<what>\w+) (?P<be>is|was) (?P<who>{_THE}.+)", "{be} the {what} of {who} {value}?"),
        ("value", rf"(?:what|who) (?P<be>is|are|was|were) (?P<who>{_THE}.+?)(?: doing)?", "{be} {who} {value}?"),
    )
)
_PLACE = re.compile(r"(?:there|in|on|at|under|above|near|behind|beside|visible|present|shown)\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\d.,])\d{1,9}(?![\d,]*[.\d])")
_COLOR_WORD = re.compile(rf"\b(?:{'|'.join(sorted(COLORS))})\b")
_COMMON_COLORS = frozenset("black white gray red green blue brown yellow orange purple pink".split())
# In front of a truck may mean in the viewer's eyes or before its bonnet, so one answer says nothing about the other.
_BY_VIEW = frozenset({"in front of", "behind"})


@dataclass(frozen=True, slots=True)
class Claim:
    """A yes/no question and the answer that follows; `kind` names claims that are asked in the same way."""

    question: str
    answer: Literal["yes", "no"]
    kind: str = field(default="", compare=False)

    def denied_by(self, answer: str) -> bool:
        """Whether `answer` is the opposite; an answer other than yes and no denies nothing."""
        return match(answer, "no" if self.answer == "yes" else "yes")

    def confirmed(self, replies: Sequence[str]) -> float | None:
        """The share of the replies yes and no that agree with it; None without such a reply."""
        agree, deny = sum(match(reply, self.answer) for reply in replies), sum(map(self.denied_by, replies))
        return agree / (agree + deny) if agree + deny else None


def claims(question: str, answer: str) -> tuple[Claim, ...]:
    """At most two claims that follow from an answer, where possible one with the answer yes and one with no.

    A plain question gives plain claims: "is there a red car?", "are there exactly 3 dogs?", "is the man holding a cup?"
    Of any other question, the claim is that this is its answer. None if the answer is a refusal or blank, or does not
    fit a yes/no question.
    """
    stem, value = _without_options(question, answer)
    given = normalise(value)
    if not value or is_refusal(value):
        return ()
    if _YES_OR_NO.match(stem.lower()) and given.kind != "yes/no":
        return ()
    meaning = read_meaning(stem)
    plain = _of_meaning(meaning, given) if meaning else ()
    return plain or _of_count(stem, value, meaning) or _of_words(stem, value, given)


def _without_options(question: str, answer: str) -> tuple[str, str]:
    """The question before its options, and the answer, or the text of the option whose letter it is."""
    options, value = listed_options(question), " ".join(answer.split()).rstrip(".")
    if options is None:
        return " ".join(question.split()), value
    letter = normalise(answer).core if normalise(answer).kind == "letter" else ""
    chosen = options.letters.index(letter) if len(letter) == 1 and letter in options.letters else None
    stem = re.sub(r"\(?\bA[.):]\s*$", "", options.frame[0])
    return " ".join(stem.split()), value if chosen is None else " ".join(options.texts[chosen].split())


def _of_meaning(meaning: Meaning, given: Answer) -> tuple[Claim, ...]:
    thing, holds = meaning.nouns[0], given.core == "yes"
    match meaning.kind:
        case "relation":
            return _of_relation(thing, meaning.nouns[1], meaning.word, holds)
        case "more":
            asked, turned = (f"are there more {a} than {b}?" for a, b in _both_ways(*map(_plural, meaning.nouns)))
            return _both(asked, turned, holds, "more")[: 1 + holds]  # of "no", there may be as many
        case "exists":
            return _of_thing(thing, holds != meaning.negated, "exists")
        case "attribute" | "which":
            named = _named(meaning, given)
            # "is there a red woman's shirt?" is not what was asked
            return _of_thing(named, True, meaning.kind) if named and "'" not in named else ()
    return ()


def _of_relation(one: str, other: str, word: str, holds: bool) -> tuple[Claim, ...]:
    asked, opposite = (f"is the {one} {relation} the {other}?" for relation in (word, OPPOSITES[word]))
    if word in _BY_VIEW:
        return (Claim(asked, "yes" if holds else "no", "relation"),)
    if holds:
        return _both(asked, opposite, True, "relation")
    # Of two things side by side, neither is above the other; but a relation holds if its converse does.
    turned = f"is the {other} {OPPOSITES[word]} the {one}?"
    return Claim(asked, "no", "relation"), Claim(turned, "no", "relation")


def _of_thing(thing: str, there: bool, kind: str) -> tuple[Claim, ...]:
    thing = f"an {thing}" if thing[0] in "aeiou" else f"a {thing}"
    return _both(f"is there {thing}?", f"is there not {thing}?", there, kind)


def _both(question: str, opposite: str, holds: bool, kind: str) -> tuple[Claim, ...]:
    return Claim(question, "yes" if holds else "no", kind), Claim(opposite, "no" if holds else "yes", f"{kind}, denied")


def _both_ways(one: str, other: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (one, other), (other, one)


def _named(meaning: Meaning, answer: Answer) -> str | None:
    """The thing of an answer: "red circle" for the answer "red" about a circle, or "circle" about a red shape."""
    noun, words = meaning.nouns[0], answer.core.split() if answer.kind == "phrase" else []
    if meaning.kind == "which":
        named = read_noun(answer.core) if words else None
        if named is None or named.split()[-1] in COLORS | ANYTHING:
            return None
        return read_noun(" ".join((*(w for w in noun.split()[:-1] if w not in named.split()), named)))
    colors = COLORS.intersection(words)
    if meaning.word != "color" or len(colors) != 1 or not SHADES.issuperset(set(words) - colors):
        return None
    return read_noun(f"{' '.join(words)} {noun}")


def _of_count(stem: str, value: str, meaning: Meaning | None) -> tuple[Claim, ...]:
    """Of exactly n things: that there are n, and not the number beside it. Each number is beside one other: 1 and 2."""
    number = exact_number(value)
    found = next((found for form in _COUNTS if (found := form.fullmatch(stem.rstrip("?. ")))), None)
    if number is None or found is None:
        return ()
    if number == 0 and meaning:
        return _of_thing(meaning.nouns[0], False, "exists")
    if number == 0:
        return (Claim(_counted(found, "any"), "no", "count"),)
    one, other = (_counted(found, f"exactly {n}") for n in (number, beside(number)))
    return Claim(one, "yes", "count"), Claim(other, "no", "count")


def exact_number(answer: str) -> int | None:
    """The number of an answer, from 0, such as 3 for "three dogs"; None for any that is not exact, as "about 3"."""
    quantity = normalise(answer).quantity
    whole = quantity is not None and quantity.value.denominator == 1 and quantity.value >= 0
    return int(quantity.value) if quantity and whole and not _VAGUE.search(answer.lower()) else None


def beside(number: int) -> int:
    """The number that a number from 1 is confused with on purpose: 2 for 1, 1 for 2, 4 for 3."""
    return number + 1 if number % 2 else number - 1


def _counted(found: re.Match[str], number: str) -> str:
    what, be, rest = found["what"], found["be"].lower(), found["rest"]
    one = number == "exactly 1" and not what.startswith("of ")
    thing = " ".join((*what.split()[:-1], singular(what.split()[-1]))) if one else what
    if be in ("do", "does", "did", "can", "could"):
        who, _, verb = rest.partition(" in ")[0].rpartition(" ")
        return " ".join(f"{be} {who} {verb} {number} {thing} {rest[len(f'{who} {verb}') :]}".split()) + "?"
    be = {"are": "is", "were": "was"}.get(be, be) if one else be
    there = "there" if _PLACE.match(rest) else ""
    return " ".join(f"{be} {there} {number} {thing} {rest.removeprefix('there')}".split()) + "?"


def _of_words(stem: str, value: str, given: Answer) -> tuple[Claim, ...]:
    last = Claim(f'is the answer to the question "{stem}" "{value}"?', "yes", "answer")
    if _YES_OR_NO.match(stem.lower()):
        return Claim(stem, "yes" if given.core == "yes" else "no", "yes/no"), last
    for kind, form, claim in _FORMS:
        found = form.fullmatch(stem.rstrip("?. "))
        # "is the red thing red?" asks nothing
        if found and not set(value.lower().split()) <= set(stem.lower().split()):
            parts = {name: text for name, text in found.groupdict().items() if name != "be"}
            return (Claim(claim.format(be=found["be"].lower(), value=value, **parts), "yes", kind),)
    return (last,)


def _plural(noun: str) -> str:
    *words, head = noun.split()
    irregular = {"man": "men", "woman": "women", "person": "people", "child": "children"}
    regular = head + ("es" if head.endswith(("s", "x", "ch", "sh")) else "s")
    regular = re.sub(r"(?<=[^aeiou])ys$", "ies", regular)
    return " ".join((*words, irregular.get(head, regular)))


@dataclass(frozen=True, slots=True)
class Swaps:
    """What false claims about an image are made of.

    Attributes:
        here: nouns of things that are on the image, as far as is known.
        elsewhere: nouns of things on other images that nothing says are on this one.
        answers: answers to other questions, by preference to the same one about other images.
    """

    here: Sequence[str] = ()
    elsewhere: Sequence[str] = ()
    answers: Sequence[str] = ()


def false_claims(question: str, answer: str, swaps: Swaps, key: str) -> tuple[Claim, ...]:
    """As many claims as `claims` gives, all of them false if `answer` is true; none if nothing can be swapped.

    Args:
        key: decides which of several swaps is made, such as the question's id.
    """
    held = claims(question, answer)
    stem, value = _without_options(question, answer)
    meaning, given = read_meaning(stem), normalise(value)
    swapped = _swapped(question, stem, value, meaning, given, swaps, random.Random(key)) if held else None
    false = claims(*swapped) if swapped else ()
    # The question of a vote is no claim made false on purpose.
    own = {claim.question for claim in held if claim.kind == "yes/no"}
    return tuple(claim for claim in false if claim.question not in own and claim not in held)[: len(held)]


def _swapped(
    question: str, stem: str, value: str, meaning: Meaning | None, given: Answer, swaps: Swaps, stream: random.Random
) -> tuple[str, str] | None:
    """A question and an answer that is false where `value` is the true answer to `stem`."""
    number = exact_number(value)
    if meaning and (meaning.kind == "exists" or (meaning.kind == "count" and number == 0)):
        there = number is None and (given.core == "yes") != meaning.negated
        nouns = sorted(swaps.elsewhere if there else swaps.here)
        return (f"is there a {stream.choice(nouns)}?", "yes" if there else "no") if nouns else None
    if meaning and meaning.kind == "more":
        first, second = map(_plural, meaning.nouns)
        return (f"are there more {second} than {first}?", "yes") if given.core == "yes" else None
    if meaning and meaning.kind == "relation":
        one, other = meaning.nouns
        return (f"is the {one} {OPPOSITES[meaning.word]} the {other}?", "yes") if given.core == "yes" else None
    if given.kind == "yes/no":
        return stem, "no" if given.core == "yes" else "yes"
    if number and any(form.fullmatch(stem.rstrip("?. ")) for form in _COUNTS):
        return stem, str(beside(number))
    options = listed_options(question)
    others = [text for text in options.texts if not match(text, value)] if options else []
    instead = stream.choice(others) if others else _changed(value, swaps, stream)
    return (stem, instead) if instead else None


def _changed(value: str, swaps: Swaps, stream: random.Random) -> str | None:
    """Another value of the same kind: a colour that the first is not, a number beside it, or another answer."""
    present, number = _COLOR_WORD.findall(value.lower()), _NUMBER.search(value)
    if present:
        apart = sorted(other for other in _COMMON_COLORS if all(exclude(other, each) for each in present))
        return stream.choice(apart) if apart else None
    if number:
        return f"{value[: number.start()]}{beside(int(number[0]) or 1)}{value[number.end() :]}"
    kind, said = normalise(value).kind, {word.lower() for word in value.split()}
    others = [text for text in swaps.answers if normalise(text).kind == kind and not is_refusal(text)]
    others = [text for text in others if said.isdisjoint(text.lower().split())]
    return others[0] if others else None


def things_there(question: str, answer: str) -> tuple[str, ...]:
    """The nouns of the things that are on the image if an answer is true."""
    meaning, given = read_meaning(question), normalise(answer)
    if meaning is None or is_refusal(answer):
        return ()
    match meaning.kind:
        case "exists":
            return meaning.nouns if given.kind == "yes/no" and (given.core == "yes") != meaning.negated else ()
        case "count":
            return meaning.nouns if exact_number(answer) else ()
        case "attribute" | "which":
            return tuple({meaning.nouns[0], _named(meaning, given) or meaning.nouns[0]})
        case "relation":
            return meaning.nouns
        case _:
            return ()


def elsewhere(nouns: Collection[str], mentioned: Iterable[str]) -> list[str]:
    """Those of `nouns` whose words no question about an image mentions, sorted: they are likely not on it."""
    words = {fold(word) for noun in mentioned for word in noun.split()} - COLORS
    vague = {fold(word) for word in KINDS | PROPERTIES}
    return sorted(n for n in nouns if words.isdisjoint(map(fold, n.split())) and fold(n.split()[-1]) not in vague)


Asked = Mapping[tuple[str, str], Sequence[str]]


def ask(
    claimed: Iterable[tuple[Question, Sequence[Claim]]],
    replies: int,
    voter: Voter,
    augmentations: Sequence[Augmentation],
) -> Asked:
    """The replies to each claim, by id of the image and question of the claim; boxed ones that are no refusals.

    Each claim is asked alone, and once per image, whatever answers make it.
    """
    asked: dict[tuple[str, str], Question] = {}
    for question, made in claimed:
        for n, claim in enumerate(made):
            claim_question = Question(f"{question.id}~claim{n}", question.image, "open", claim.question)
            asked.setdefault((question.image.id, claim.question), claim_question)
    given = voter.votes(list(asked.values()), replies, augmentations)
    return {
        key: [vote.answer for vote in given[question.id] if vote.answer is not None and not is_refusal(vote.answer)]
        for key, question in asked.items()
    }
