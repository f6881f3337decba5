"""Parses simple English questions into their meaning, and writes a question for a meaning.

Every pattern has fixed words and noun phrases of bounded length, so parsing takes time linear in a question's length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from visplay.labeling.language.nouns import COLORS, KINDS, PROPERTIES, article, plural, read_noun

Kind = Literal["attribute", "which", "exists", "count", "more", "relation"]

_LONGEST = 200  # characters; longer questions are not parsed


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a question.

    Attributes:
        kind: "attribute": the property `word` of a thing; "which": the name of a thing; "exists"; "count"; "more":
            whether there are more of the first noun than of the second; "relation": whether the first thing is
            `word` the second.
        nouns: one or two noun phrases, singular and in lower case ("red circle").
        negated: for "exists", whether the question is whether there is none.
        word: the property ("color") or the relation ("left of"); empty for other kinds.
    """

    kind: Kind
    nouns: tuple[str, ...]
    negated: bool = False
    word: str = ""


_PAIRS = (
    ("left of", "right of"),
    ("above", "below"),
    ("in front of", "behind"),
    ("bigger than", "smaller than"),
    ("taller than", "shorter than"),
    ("wider than", "narrower than"),
)
OPPOSITES = {**dict(_PAIRS), **{second: first for first, second in _PAIRS}}
"""The converse of each relation: A is left of B if B is right of A."""
_SAME_AS = {
    "over": "above", "under": "below", "beneath": "below", "underneath": "below", "larger than": "bigger than",
}  # fmt: skip

# {a} and {b} match nouns, as short as possible; {augmentation} and {seen} match phrases that refer to the image.
_PARTS = {
    "{image}": r"(?:the|this) (?:image|picture|photo|photograph|scene|drawing)",
    "{augmentation}": r"(?: visible| present| shown)?(?: (?:in|on) {image})?",
    "{seen}": r"(?:there|visible|present|shown|seen|depicted|(?:there |visible |present |shown )?(?:in|on) {image})",
    "{show}": r"(?:contain|show|have|include|depict)",
    "{some}": r"(?:an? |any |some |no )?",
    "{property}": f"(?P<word>{'|'.join(sorted(PROPERTIES))})",
    "{relation}": r"(?:(?:to |on )?(?:the )?(?P<side>left|right)(?: side)? of|(?P<word>"
    + "|".join(sorted(OPPOSITES.keys() - {"left of", "right of"} | _SAME_AS.keys()))
    + "))",
    "{noun}": r"[^\W\d_]++(?:['-][^\W\d_]++)*+(?: [^\W\d_]++(?:['-][^\W\d_]++)*+){0,3}?",
}
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("count", "how many {a} (?:are|is) {seen}"),
    ("count", "how many {a} (?:can|do) you see(?: in {image})?"),
    ("count", "how many {a} does {image} {show}"),
    ("count", "what is the number of {a}{augmentation}"),
    ("more", "are there (?P<more>more|fewer) {a} than {b}{augmentation}"),
    ("more", "does {image} {show} (?P<more>more|fewer) {a} than {b}"),
    ("relation", "(?:is|are) the {a} {relation} the {b}{augmentation}"),
    ("exists", "(?:is|are) there (?:not )?{some}{a}{augmentation}"),
    ("exists", "does {image} (?:not )?{show} {some}{a}"),
    ("exists", "(?:is|are) {some}{a} {seen}"),
    ("exists", "(?:can|do) you see {some}{a}{augmentation}"),
    ("attribute", "what {property} (?:is|are) the {a}{augmentation}"),
    ("attribute", "what is the {property} of the {a}{augmentation}"),
    ("which", "what (?:is|are) the {a}{augmentation}"),
    ("which", "what (?:kind of |type of )?{a} (?:is|are) {seen}"),
    ("which", "what (?:kind of |type of )?{a} does {image} {show}"),
)


def _compiled(pattern: str) -> re.Pattern[str]:
    text = pattern.replace("{a}", "(?P<a>{noun})").replace("{b}", "(?P<b>{noun})")
    for mark in ("{augmentation}", "{seen}", *_PARTS):
        text = text.replace(mark, _PARTS[mark])
    return re.compile(text)


_READ = tuple((kind, _compiled(pattern)) for kind, pattern in _PATTERNS)


def read_meaning(question: str) -> Meaning | None:
    """The meaning of a question; None if the grammar cannot parse it."""
    if len(question) > _LONGEST:
        return None
    text = " ".join(question.lower().replace("colour", "color").split()).rstrip("?. ")
    text = re.sub(r"^(?:what's|which)\b", lambda found: "what" if found[0] == "which" else "what is", text)
    for kind, pattern in _READ:
        found = pattern.fullmatch(text)
        meaning = _meaning(kind, found.groupdict(), text) if found else None
        if meaning is not None:
            return meaning
    return None


def _meaning(kind: Kind, parts: Mapping[str, str | None], text: str) -> Meaning | None:
    nouns = tuple(_thing(parts[name] or "") for name in ("a", "b") if name in parts)
    known = tuple(noun for noun in nouns if noun is not None)
    negations = len(re.findall(r"\b(?:no|not)\b", text))
    word = parts.get("word") or (f"{parts['side']} of" if parts.get("side") else "")
    if len(known) < len(nouns) or negations > 1:
        return None
    if kind == "attribute" and word == "color" and not COLORS.isdisjoint(known[0].split()):
        return None  # the question contains its answer
    if kind == "which" and known[0].split()[-1] not in KINDS:
        return None  # "what is the weather?" does not ask for a thing
    if parts.get("more") == "fewer":
        known = known[::-1]
    return Meaning(kind, known, negated=bool(negations), word=_SAME_AS.get(word, word))


def _thing(text: str) -> str | None:
    noun = read_noun(text)
    # Properties such as colour and size are not things on an image; shapes are.
    return None if noun is None or noun.split()[-1] in PROPERTIES - KINDS else noun


def simple_question(meaning: Meaning) -> str:
    """A question with this meaning; `read_meaning` can parse it."""
    first, *rest = meaning.nouns
    second = rest[0] if rest else ""
    match meaning.kind:
        case "exists":
            return f"is there {'not ' if meaning.negated else ''}{article(first)}?"
        case "count":
            return f"how many {plural(first)} are there?"
        case "more":
            return f"are there more {plural(first)} than {plural(second)}?"
        case "relation":
            return f"is the {first} {meaning.word} the {second}?"
        case "attribute":
            return f"what {meaning.word} is the {first}?"
        case "which":
            return f"what is the {first}?"
