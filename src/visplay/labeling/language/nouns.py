"""English noun phrases: singular, plural, and whether a noun describes a thing.

The last word of a phrase is its head: "small brown dog". Left out: synonyms ("car", "automobile").
"""

from __future__ import annotations

import re

from visplay.answers.phrase import singular

COLORS = frozenset(
    "black white gray red green blue teal brown yellow orange purple violet pink cyan magenta beige gold silver tan "  # noqa: SIM905
    "navy maroon turquoise".split()
)
SIZES = frozenset("small little tiny big large huge tall short long wide narrow".split())  # noqa: SIM905
PROPERTIES = frozenset("color shape size material pattern texture".split())  # noqa: SIM905
# Heads that describe any thing, heads that describe a category of things, and people: a dog is an object, maybe a pet.
ANYTHING = frozenset("shape object thing item".split())  # noqa: SIM905
KINDS = ANYTHING | frozenset(
    "animal pet bird insect vehicle fruit vegetable food drink dish plant flower device instrument tool toy "  # noqa: SIM905
    "furniture".split()
)
_PEOPLE = frozenset("person man woman boy girl child kid baby guy lady adult".split())  # noqa: SIM905

_SPELLING = {"grey": "gray", "colour": "color"}
_PLURALS = {"man": "men", "woman": "women", "person": "people", "child": "children", "mouse": "mice", "foot": "feet",
         "tooth": "teeth", "goose": "geese", "leaf": "leaves", "knife": "knives", "wolf": "wolves", "shelf": "shelves",
         "loaf": "loaves", "sheep": "sheep", "deer": "deer", "fish": "fish"}  # fmt: skip
_SINGULARS = {many: one for one, many in _PLURALS.items()}

# Words that a simple noun phrase does not contain.
_NOT_IN_NOUNS = frozenset(
    "a an the this that these those it its they them their he she his her you your i we my our "  # noqa: SIM905
    "is are was were be been do does did has have had can could will would should may "
    "and or not no if as than then so but only just same different other another else each every all both either any "
    "some few many much more most less fewer least several enough there here who whose what which where when why how "
    "in on at by to from with without within of for about into onto over under above below beneath behind beside "
    "between near next inside outside around along across through against off up down out one ones two three four "
    "five six seven eight nine ten eleven twelve dozen something anything nothing everything someone anyone nobody "
    "everyone visible present shown seen depicted".split()
)
_THINGS_IN_ING = frozenset(
    "building ceiling painting drawing ring earring string king wing railing awning clothing swing spring "  # noqa: SIM905
    "pudding dressing crossing wedding sibling".split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


def read_noun(text: str) -> str | None:
    """The singular of a noun phrase of one to four words, in lower case; None for any other text."""
    words = [_SPELLING.get(word, word) for word in text.lower().split()]
    if not 1 <= len(words) <= 4 or not all(_WORD.fullmatch(word) for word in words):
        return None
    # In "man running" the head is not the last word.
    participle = any(word.endswith("ing") and to_singular(word) not in _THINGS_IN_ING for word in words[1:])
    if participle or not _NOT_IN_NOUNS.isdisjoint(words):
        return None
    return " ".join((*words[:-1], to_singular(words[-1])))


def to_singular(word: str) -> str:
    """The singular of a noun, by rules; a noun that no rule covers is unchanged."""
    return _SINGULARS.get(word) or singular(word)


def plural(noun: str) -> str:
    """The plural of a singular noun phrase: "red crosses"."""
    *before, head = noun.split()
    if head in _PLURALS:
        many = _PLURALS[head]
    elif re.search(r"(?:s|x|z|ch|sh)$", head):
        many = head + "es"
    elif re.search(r"[^aeiou]y$", head):
        many = head[:-1] + "ies"
    else:
        many = head + "s"
    return " ".join((*before, many))


def article(noun: str) -> str:
    """The noun phrase with "a" or "an"."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def fold(word: str) -> str:
    """A form of a word that is equal for singular and plural, even if the rules cannot tell them apart."""
    word = _SPELLING.get(word, word)
    return to_singular(word).rstrip("s") or word


def names(noun: str, phrase: str) -> bool | None:
    """Whether `noun` describes the thing in `phrase`; a "red circle" is a "circle", a "red shape" and a "red circle".

    None if the phrase does not decide it: a "circle" may be a "red circle", a "brown dog" an "animal", a "child" a
    "boy".
    """
    *asked, head = (fold(word) for word in noun.split())
    *stated, name = (fold(word) for word in phrase.split())
    if head not in ANYTHING and head != name and not (head == "person" and name in _PEOPLE):
        unsure = head in KINDS or name in ANYTHING or {head, name} <= _PEOPLE
        return None if unsure else False
    missing = set(asked) - {*stated, name}
    if not missing:
        return True
    # A thing has only one colour. Other properties may hold although the phrase does not state them.
    return False if missing & COLORS and COLORS.intersection(stated) else None
