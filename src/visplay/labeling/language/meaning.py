"""What a question asks, where its English is plain enough to tell, and plain questions written from what is meant.

Every pattern stands between fixed words and bounded noun phrases, so reading is linear in the length of a question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from visplay.labeling.language.nouns import COLORS, KINDS, PROPERTIES, article, plural, read_noun

Kind = Literal["attribute", "which", "exists", "count", "more", "relation"]

_LONGEST = 200  # letters; what is longer is not plain


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a question asks.

    Attributes:
        kind: "attribute": the property `word` of a thing; "which": the name of a thing; "exists", "count"; "more":
            whether there are more of the first noun than of the second; "relation": whether the first thing is
            `word` the second.
        nouns: the one or two noun phrases asked about, singular and in lower case ("red circle").
        negated: whether "exists" asks for there being none.
        word: the property ("color") or the relation ("left of"), empty for other kinds.
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
"""The relation that holds the other way round: A is left of B where B is right of A."""
SCALES = {word: first for first, second in _PAIRS for word in (first, second)}
"""What a relation compares by, named by one of the two relations that do."""
_SAME_AS = {
    "over": "above", "under": "below", "beneath": "below", "underneath": "below", "larger than": "bigger than",
}  # fmt: skip

# {a} and {b} are nouns, as short as the rest allows; {augmentation} and {seen} say that the image is asked about.
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
    """What a question asks, None where its wording is not plain enough to tell."""
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
        return None  # answers itself
    if kind == "which" and known[0].split()[-1] not in KINDS:
        return None  # "what is the weather?" asks for no thing
    if parts.get("more") == "fewer":
        known = known[::-1]
    return Meaning(kind, known, negated=bool(negations), word=_SAME_AS.get(word, word))


def _thing(text: str) -> str | None:
    noun = read_noun(text)
    # Colours and sizes can be asked about, but are not things that an image shows; shapes are.
    return None if noun is None or noun.split()[-1] in PROPERTIES - KINDS else noun


def plain_question(meaning: Meaning) -> str:
    """A question that asks this in plain words; `read_meaning` reads it back."""
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
