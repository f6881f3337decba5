"""The slots of questions about scenes: nouns, properties, places and relations."""

from __future__ import annotations

from visplay.answers import normalise
from visplay.labeling.language import COLORS, read_noun
from visplay.labeling.programs.family import Draft, Slot, choice, key
from visplay.labeling.programs.seen import SHAPES, adjectives, attributes
from visplay.labeling.records.schema import Scene, Thing

_WORDS = r"[^\W\d_][\w' -]*?"
_SOURCES = (0.3, 0.55, 0.7, 0.75, 0.9)  # shares of names, adjectives with names, with "object", "object", mixtures
_SIDES = frozenset("left right top bottom upper lower half image middle".split())
_PLACES = ("place", "location", "on", "in", "at")
_PLURALS = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "foot": "feet",
    "tooth": "teeth", "goose": "geese", "leaf": "leaves", "knife": "knives", "wolf": "wolves", "shelf": "shelves",
    "policeman": "policemen", "fireman": "firemen",
}  # fmt: skip


def plural(noun: str) -> str:
    """The plural of a noun phrase in lower case."""
    *before, head = noun.split()
    if head in _PLURALS:
        many = _PLURALS[head]
    elif head.endswith(("s", "x", "z", "ch", "sh")):
        many = f"{head}es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        many = f"{head[:-1]}ies"
    else:
        many = f"{head}s"
    return " ".join((*before, many))


def _noun(draft: Draft[Scene]) -> str | None:
    """A noun for a thing that is there, or for one that may be absent."""
    things, share = draft.record.things, float(draft.rng.random())
    if not things or share > _SOURCES[4]:
        noun = draft.pick([*draft.record.absent, *draft.nouns]) or "object"
    else:
        thing, other = _any(draft), _any(draft)
        name = thing.name if share < _SOURCES[1] or share > _SOURCES[3] else "object"
        # A mixture has the name of a thing with the colour of another one, or with another colour.
        words = adjectives(thing) if share < _SOURCES[3] else [*adjectives(other), _color(draft)]
        adjective = draft.pick(words) if _SOURCES[0] < share < _SOURCES[2] or share > _SOURCES[3] else None
        noun = name if adjective is None else f"{adjective} {name}"
    noun = key(noun)
    read = read_noun(noun)
    return read if read is not None and read == read_noun(plural(read)) else None


def _color(draft: Draft[Scene]) -> str:
    """A colour, of the things of other records if they are known."""
    seen = [word for noun in draft.nouns for word in noun.split() if word in COLORS]
    return draft.pick(seen or sorted(COLORS)) or ""


def _any(draft: Draft[Scene]) -> Thing:
    return draft.record.things[int(draft.rng.integers(len(draft.record.things)))]


def _property(draft: Draft[Scene]) -> str | None:
    named = [name for thing in draft.record.things for name in attributes(thing)]
    said = [word for thing in draft.record.things for word in key(thing.name).split()]
    drawn = [name for words, name in ((COLORS, "color"), (SHAPES, "shape")) for word in said if word in words]
    return draft.pick([*named, *drawn])


def _adjective(draft: Draft[Scene]) -> str | None:
    said = [word for thing in draft.record.things for word in adjectives(thing)]
    return _color(draft) if COLORS.intersection(said) and draft.rng.random() < 0.3 else draft.pick(said)


def _number(draft: Draft[Scene]) -> str | None:
    return str(int(draft.rng.integers(2, 2 + max(2, len(draft.record.things)))))


def _read_number(text: str) -> str | None:
    quantity = normalise(text).quantity
    return None if quantity is None or quantity.value.denominator > 1 else str(quantity.value)


def _doing(draft: Draft[Scene]) -> str | None:
    return draft.pick([name for thing in draft.record.things for name in attributes(thing) if name.endswith("ing")])


def _done(draft: Draft[Scene]) -> str | None:
    said = (pair for thing in draft.record.things for pair in attributes(thing).items())
    return draft.pick([text for name, text in said if name.endswith("ing")])


def _where(draft: Draft[Scene]) -> str | None:
    said = (pair for thing in draft.record.things for pair in attributes(thing).items())
    return draft.pick([text for name, text in said if name in _PLACES])


def _read_where(text: str) -> str | None:
    """A place that is a thing, such as "road"; sides and halves of the image are none."""
    return None if _SIDES.intersection(text.split()) else text


def place(thing: Thing) -> str | None:
    """Where a thing is, such as "road"; None if the record does not say."""
    said = attributes(thing)
    return next((said[name] for name in _PLACES if name in said), None)


_NOUN: Slot[Scene] = Slot(_WORDS, _noun, read_noun)
_NOUNS: Slot[Scene] = Slot(_WORDS, _noun, read_noun, plural)
DIRECTIONS = {
    "left": ("left of", "to the left of", "on the left of", "on the left side of", "to left of"),
    "right": ("right of", "to the right of", "on the right of", "on the right side of", "to right of"),
    "above": ("above", "higher than"),
    "below": ("below", "lower than"),
}
HALVES = {
    "left": ("on the left side of the image", "in the left half of the image", "on the left", "on the left side"),
    "right": ("on the right side of the image", "in the right half of the image", "on the right", "on the right side"),
    "top": ("in the top half of the image", "in the upper half of the image", "at the top of the image", "at the top"),
    "bottom": (
        "in the bottom half of the image",
        "in the lower half of the image",
        "at the bottom of the image",
        "at the bottom",
    ),
}
SLOTS: dict[str, Slot[Scene]] = {
    "a": _NOUN,
    "A": _NOUNS,
    "b": _NOUN,
    "B": _NOUNS,
    "property": Slot("[a-z]+(?: [a-z]+)?", _property),
    "value": Slot("[a-z]+(?:-[a-z]+)*", _adjective),
    "n": Slot("[a-z]+|[0-9]+", _number, _read_number),
    "doing": Slot("[a-z]+ing", _doing),
    "what": Slot(_WORDS, _done),
    "where": Slot(_WORDS, _where, _read_where),
    "direction": choice(DIRECTIONS),
    "half": choice(HALVES),
    "distance": choice(
        {
            "closest": ("closest to", "nearest to", "nearest"),
            "furthest": ("furthest from", "farthest from"),
        }
    ),
    "size": choice(
        {"biggest": ("biggest", "largest"), "smallest": ("smallest",)},
    ),
    "edge": choice(
        {
            "left": ("leftmost",),
            "right": ("rightmost",),
            "top": ("topmost", "uppermost", "highest"),
            "bottom": ("bottommost", "lowest"),
        }
    ),
}
SEEN = "(?: visible| present| shown| seen| depicted| there)?(?: (?:in|on) the image)?"
"""What may follow a question about a scene."""
