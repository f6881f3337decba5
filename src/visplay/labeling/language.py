"""A grammar for simple English questions: noun phrases, and the meaning of a question.

Every pattern has fixed words and noun phrases of bounded length, so parsing takes time linear in a question's length.
Left out: synonyms and kinds ("car", "automobile", "sedan"): whether a thing has another name too is not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from visplay.answers.text import singular
from visplay.labeling.vocabulary import ADJECTIVES, APART, COMPOUNDS, FEMALE, MALE, NEAR, PEOPLE

COLORS = frozenset(
    "black white gray red green blue teal brown yellow orange purple violet pink cyan magenta beige gold silver tan "
    "navy maroon turquoise".split()
)
SIZES = frozenset("small little tiny big large huge tall short long wide narrow".split())
PROPERTIES = frozenset("color shape size material pattern texture".split())
# Heads that describe any thing, and heads that describe a category of things: a dog is an object, maybe a pet.
ANYTHING = frozenset("shape object thing item".split())
KINDS = ANYTHING | frozenset(
    "animal pet bird insect vehicle fruit vegetable food drink dish plant flower device instrument tool toy "
    "furniture".split()
)
_SPELLING = {"grey": "gray", "colour": "color"}

_LONGEST_QUESTION = 200  # characters; longer ones are not parsed

# Words that a simple noun phrase does not contain.
_NOT_IN_NOUNS = frozenset(
    "a an the this that these those it its they them their he his she her you your i we my our "
    "is are was were be been do does did has have had can could will would should may "
    "and or not no if as than then so but only just same different other another else each every all both either any "
    "some few many much more most less fewer least several enough there here who whose what which where when why how "
    "in on at by to from with without within of for about into onto over under above below beneath behind beside "
    "between near next inside outside around along across through against off up down out one ones two three four "
    "five six seven eight nine ten eleven twelve dozen something anything nothing everything someone anyone nobody "
    "everyone visible present shown seen depicted".split()
)
_THINGS_IN_ING = frozenset(
    "building ceiling painting drawing ring earring string king wing railing awning clothing swing spring "
    "pudding dressing crossing wedding sibling".split()
)
_WORD = r"[^\W\d_]++(?:['-][^\W\d_]++)*+"
_NOUN = rf"{_WORD}(?: {_WORD}){{0,3}}"


def read_noun(text: str) -> str | None:
    """The singular of a noun phrase of one to four words, in lower case; None for any other text."""
    words = [_SPELLING.get(word, word) for word in text.lower().split()]
    # In "man running" the head is not the last word.
    participle = any(word.endswith("ing") and singular(word) not in _THINGS_IN_ING for word in words[1:])
    if participle or not _NOT_IN_NOUNS.isdisjoint(words) or not re.fullmatch(_NOUN, " ".join(words)):
        return None
    return " ".join((*words[:-1], singular(words[-1])))


def fold(word: str) -> str:
    """A form of a word that is equal for singular and plural, even if the rules cannot tell them apart."""
    word = _SPELLING.get(word, word)
    return singular(word).rstrip("s") or word


def names(noun: str, phrase: str) -> bool | None:
    """Whether `noun` describes the thing in `phrase`: a "red circle" is a "circle" and a "red shape".

    None if the phrase does not decide it: a "circle" may be red, a "sedan" a "car", a "teddy bear" no "bear". False
    only for names and colours that exclude one another ("cat" and "dog", "red" and "blue").
    """
    (asked, head), (stated, name) = _modifiers_and_head(noun), _modifiers_and_head(phrase)
    named = {*stated, name}
    wanted, colors = COLORS.intersection(asked), COLORS.intersection(stated)
    if len(colors) == 1 and any(exclude(color, other) for color in wanted for other in colors):
        return False
    if noun != phrase and phrase.split()[-1:] == ["glasses"]:
        return None  # to see with, or to drink from
    anything = head in ANYTHING
    if not anything and head != name and not (head == "person" and name in _PEOPLE):
        return False if exclude(head, name) else None
    # A further word can make another thing of it, and of several colours none is the colour of the thing.
    unsure = not anything and any(word not in asked and not _is_adjective(word) for word in stated)
    return None if unsure or set(asked) - named or (wanted and len(colors) > 1) else True


def names_alone(noun: str, phrase: str) -> bool | None:
    """`names` where each thing has one name and one colour: another head is another thing.

    Other modifiers change nothing: in such a world a "fire truck" is a "truck".
    """
    *asked, head = (fold(word) for word in noun.split())
    *stated, name = (fold(word) for word in phrase.split())
    if head not in ANYTHING and head != name and not (head == "person" and name in _PEOPLE):
        return None if head in KINDS or name in ANYTHING or {head, name} <= _PEOPLE else False
    missing = set(asked) - {*stated, name}
    if not missing:
        return True
    return False if missing & COLORS and COLORS.intersection(stated) else None


def _modifiers_and_head(phrase: str) -> tuple[list[str], str]:
    """The folded words before the head, and the head: one word, or two that are one noun ("red panda")."""
    words = phrase.split() or [""]
    last = 2 if f"{' '.join(words[-2:-1])} {singular(words[-1])}" in COMPOUNDS else 1
    return [fold(word) for word in words[:-last]], " ".join(fold(word) for word in words[-last:])


def colors_of(phrase: str) -> frozenset[str]:
    """The colours that a noun phrase states: "red" and "white" of a "red and white bus", none of an "orange tree"."""
    return COLORS.intersection(_modifiers_and_head(phrase)[0])


def _is_adjective(word: str) -> bool:
    return word in _ADJECTIVES or word.endswith("'")  # of "man's hat", `fold` leaves "man'"


def exclude(one: str, other: str) -> bool:
    """Whether two folded heads, or two colours, exclude one another."""
    if {one, other} <= _PEOPLE:
        return (one in _MALE and other in _FEMALE) or (one in _FEMALE and other in _MALE)
    one, other = ("person" if word in _PEOPLE else word for word in (one, other))
    together = any({one, other} <= group for group in (*_APART, COLORS))
    return one != other and together and not any({one, other} <= group for group in _NEAR)


def _folded(words: frozenset[str]) -> frozenset[str]:
    return frozenset(fold(word) for word in words)


_PEOPLE, _MALE, _FEMALE, _ADJECTIVES = map(_folded, (PEOPLE, MALE, FEMALE, ADJECTIVES | SIZES | COLORS))
_APART, _NEAR = (tuple(map(_folded, groups)) for groups in (APART, NEAR))


Kind = Literal["attribute", "which", "exists", "count", "more", "relation"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a question.

    The kinds are "attribute": the property `word` of a thing; "which": the name of a thing; "exists"; "count"; "more":
    whether there are more of the first noun than of the second; "relation": whether the first thing is `word` the
    second.
    """

    kind: Kind
    nouns: tuple[str, ...]  # one or two noun phrases, singular and in lower case ("red circle")
    negated: bool = False  # for "exists", whether the question is whether there is none
    word: str = ""  # the property ("color") or the relation ("left of")


_CONVERSES = {
    "left of": "right of", "above": "below", "in front of": "behind", "bigger than": "smaller than",
    "taller than": "shorter than", "wider than": "narrower than",
}  # fmt: skip
OPPOSITES = _CONVERSES | {second: first for first, second in _CONVERSES.items()}
"""The converse of each relation: A is left of B if B is right of A."""
_SAME_AS = {
    "over": "above", "under": "below", "beneath": "below", "underneath": "below", "larger than": "bigger than",
}  # fmt: skip

# {a} and {b} match nouns, as short as possible; {where} and {seen} match phrases that refer to the image.
_PICTURES = ("image", "picture", "photo", "photograph", "scene", "drawing")
_IMAGE = f"(?:the|this) (?:{'|'.join(_PICTURES)})"
_RELATIONS = "|".join(sorted(OPPOSITES.keys() - {"left of", "right of"} | _SAME_AS.keys()))
_PARTS = {
    "a": f"(?P<a>{_NOUN}?)",
    "b": f"(?P<b>{_NOUN}?)",
    "image": _IMAGE,
    "where": f"(?: visible| present| shown)?(?: (?:in|on) {_IMAGE})?",
    "seen": f"(?:there|visible|present|shown|seen|depicted|(?:there |visible |present |shown )?(?:in|on) {_IMAGE})",
    "show": "(?:contain|show|have|include|depict)",
    "some": "(?:an? |any |some |no )?",
    "property": f"(?P<word>{'|'.join(sorted(PROPERTIES))})",
    "relation": f"(?:(?:to |on )?(?:the )?(?P<side>left|right)(?: side)? of|(?P<word>{_RELATIONS}))",
}
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("count", "how many {a} (?:are|is) {seen}"),
    ("count", "how many {a} (?:can|do) you see(?: in {image})?"),
    ("count", "how many {a} does {image} {show}"),
    ("count", "what is the number of {a}{where}"),
    ("more", "are there (?P<more>more|fewer) {a} than {b}{where}"),
    ("more", "does {image} {show} (?P<more>more|fewer) {a} than {b}"),
    ("relation", "(?:is|are) the {a} {relation} the {b}{where}"),
    ("exists", "(?:is|are) there (?:not )?{some}{a}{where}"),
    ("exists", "does {image} (?:not )?{show} {some}{a}"),
    ("exists", "(?:is|are) {some}{a} {seen}"),
    ("exists", "(?:can|do) you see {some}{a}{where}"),
    ("attribute", "what {property} (?:is|are) the {a}{where}"),
    ("attribute", "what is the {property} of the {a}{where}"),
    ("which", "what (?:is|are) the {a}{where}"),
    ("which", "what (?:kind of |type of )?{a} (?:is|are) {seen}"),
    ("which", "what (?:kind of |type of )?{a} does {image} {show}"),
)
_COMPILED = tuple((kind, re.compile(pattern.format(**_PARTS))) for kind, pattern in _PATTERNS)


def read_meaning(question: str) -> Meaning | None:
    """The meaning of a question; None if the grammar cannot parse it."""
    if len(question) > _LONGEST_QUESTION:
        return None
    text = " ".join(question.lower().replace("colour", "color").split()).rstrip("?. ")
    text = re.sub(r"^what's\b", "what is", re.sub(r"^which\b", "what", text))
    found = ((kind, pattern.fullmatch(text)) for kind, pattern in _COMPILED)
    meanings = (_meaning(kind, parts.groupdict(), text) for kind, parts in found if parts)
    return next((meaning for meaning in meanings if meaning), None)


def _meaning(kind: Kind, parts: Mapping[str, str | None], text: str) -> Meaning | None:
    nouns = [read_noun(parts[name] or "") for name in ("a", "b") if name in parts]
    # Properties such as colour and size are not things on an image; shapes are.
    things = tuple(noun for noun in nouns if noun and noun.split()[-1] not in PROPERTIES - KINDS)
    negations = len(re.findall(r"\b(?:no|not)\b", text))
    word = parts.get("word") or (f"{parts['side']} of" if parts.get("side") else "")
    if len(things) < len(nouns) or negations > 1:
        return None
    if kind == "attribute" and word == "color" and not COLORS.isdisjoint(things[0].split()):
        return None  # the question contains its answer
    if kind == "relation" and things[1] in _PICTURES:
        return None  # "is the cat on the left side of the image?" is about one thing
    if kind == "which" and things[0].split()[-1] not in KINDS:
        return None  # "what is the weather?" does not ask for a thing
    if parts.get("more") == "fewer":
        things = things[::-1]
    return Meaning(kind, things, negated=bool(negations), word=_SAME_AS.get(word, word))
