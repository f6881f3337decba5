"""What a scene says about a noun, in three values: yes, no, and None where it is not known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from visplay.labeling.language import ANYTHING, COLORS, SIZES, fold, names, names_alone
from visplay.labeling.programs.family import key
from visplay.labeling.records.schema import STEPS, Scene, Thing

PLACE_GAP = 2
"""Fewest steps between two rows or columns that are judged: a row that is off by one must not turn the answer."""
HALF_GAP = 1.0
"""Steps from the middle of the image below which a thing is in neither half: the two middle rows or columns."""
SIZE_GAP = 2
"""Fewest steps between two sizes that are judged, for the same reason as `PLACE_GAP`."""
DISTANCE_GAP = 1.5
"""Fewest steps between two distances that are judged: each end of a distance is known to half a step."""

SHAPES = frozenset(
    "circle square rectangle triangle cross star pentagon hexagon octagon oval ellipse diamond heart cube sphere "
    "cylinder cone pyramid".split()
)
# Attributes that say what a thing is like in words that stand before its name, and those that name it otherwise.
_ADJECTIVES = ("color", "size", "material", "pattern", "texture", "shape", "state", "condition", "age")
_KINDS = ("kind", "type", "category")
# Words of which a thing is one or the other.
_EXCLUSIVE = tuple(
    frozenset(words.split())
    for words in (
        "on off", "open closed", "wet dry", "full empty", "clean dirty", "free occupied blocked", "normal enlarged",
        "clear hazy opaque", "standing sitting lying", "old young", "old new", "healthy diseased", "intact broken",
    )
)  # fmt: skip


@lru_cache(maxsize=65536)
def _names(noun: str, phrase: str) -> bool | None:
    return names(noun, phrase) if noun and phrase else None


@lru_cache(maxsize=65536)
def _names_alone(noun: str, phrase: str) -> bool | None:
    return names_alone(noun, phrase) if noun and phrase else None


def attributes(thing: Thing) -> dict[str, str]:
    """The attributes of a thing in plain spelling."""
    return {key(name): key(value) for name, value in thing.attributes.items()}


def adjectives(thing: Thing) -> list[str]:
    """The single words that describe a thing, such as "red"."""
    said = attributes(thing)
    return [said[name] for name in _ADJECTIVES if name in said and said[name].isalpha()]


def names_where(noun: str, phrase: str, complete: Sequence[str]) -> bool | None:
    """`names` in a record that lists all things of some kinds: what has another name there is none of such a kind."""
    said = _names(noun, phrase)
    listed = {fold(kind.split()[-1]) for kind in map(key, complete) if kind}
    if said is None and fold(noun.split()[-1]) in listed - ANYTHING:
        return False if _names_alone(noun, phrase) is False else None
    return said


def describes(scene: Scene, noun: str, thing: Thing) -> bool | None:
    """Whether a noun describes a thing: its name, or its kind, with the adjectives of its attributes.

    A record that has two colours tells them apart, even those that are close.
    """
    *modifiers, head = noun.split()
    said = {fold(word) for word in _before(thing)}
    rest = [word for word in modifiers if fold(word) not in said]
    wanted, color = COLORS.intersection(rest), value(thing, "color")
    if wanted and color in COLORS and wanted <= {value(other, "color") for other in scene.things}:
        return False
    names = (f"{color} {name}" if wanted and color else name for name in _called(thing))
    found = [names_where(" ".join((*rest, head)), name, scene.complete) for name in names]
    return True if True in found else None if None in found else False


def _before(thing: Thing) -> list[str]:
    """The words of the attributes that stand before the name of a thing."""
    said = attributes(thing)
    return [word for name in _ADJECTIVES if name in said for word in said[name].split()]


def _called(thing: Thing) -> list[str]:
    said = attributes(thing)
    return [key(thing.name), *(said[kind] for kind in _KINDS if kind in said)]


def _denied(scene: Scene, noun: str) -> bool:
    return any(_names(key(phrase), noun) for phrase in scene.absent)


def _covered(scene: Scene, noun: str) -> bool:
    return any(_names(key(phrase), noun) for phrase in scene.complete)


def found(scene: Scene, noun: str, named: bool = False) -> list[Thing] | None:
    """The things that a noun describes, each as often as it is there; None if they are not all known.

    They are all known if the scene denies such things, or if it says that it lists them all and no other thing may be
    one. With `named` a thing of another name is none: "the cup" is not what the record calls a mug.
    """
    described = [(describes(scene, noun, thing), thing) for thing in scene.things]
    things = [thing for fact, thing in described if fact]
    if _denied(scene, noun):
        return None if things else []
    unsure = [thing for fact, thing in described if fact is None and not (named and _named_otherwise(noun, thing))]
    if not _covered(scene, noun) or unsure or any(thing.count == "several" for thing in things):
        return None
    return [thing for thing in things for _ in range(int(thing.count))]


def _named_otherwise(noun: str, thing: Thing) -> bool:
    return all(_names_alone(noun, " ".join((*_before(thing), name))) is False for name in _called(thing))


def number(scene: Scene, noun: str) -> int | None:
    """How many things a noun describes; None if they are not all known."""
    things = found(scene, noun)
    return None if things is None else len(things)


def exists(scene: Scene, noun: str) -> bool | None:
    """Whether there is a thing that a noun describes."""
    if any(describes(scene, noun, thing) for thing in scene.things):
        return None if _denied(scene, noun) else True
    return False if number(scene, noun) == 0 else None


def lacks(scene: Scene, *nouns: str) -> bool:
    """Whether the scene is known to have no thing that one of the nouns describes."""
    return any(exists(scene, noun) is False for noun in nouns)


def only(scene: Scene, noun: str) -> Thing | None:
    """The one thing that "the" noun means; None if there is none, if there are several, or if it is not known."""
    things = found(scene, noun, named=True)
    return things[0] if things is not None and len(things) == 1 else None


def pair(scene: Scene, first: str, second: str) -> tuple[Thing, Thing] | None:
    """The two things that two nouns mean; None if they are not two."""
    one, other = only(scene, first), only(scene, second)
    return (one, other) if one is not None and other is not None and one is not other else None


def value(thing: Thing, name: str) -> str | None:
    """The value of a property, such as "red" for "color"; None if the record does not say."""
    said = attributes(thing)
    words = key(thing.name).split()
    if name in said:
        return said[name]
    if name == "color":
        colors = [word for word in words if word in COLORS]
        return colors[0] if len(colors) == 1 else None
    return words[-1] if name == "shape" and words[-1] in SHAPES else None


def is_(thing: Thing, word: str) -> bool | None:
    """Whether a word such as "red" or "open" says what a thing is like."""
    said = {*attributes(thing).values(), value(thing, "color") or ""}
    if word in said:
        return True
    if word in COLORS:
        return False if COLORS.intersection(said) else None
    return False if any(word in words and words & said for words in _EXCLUSIVE) else None


def called(thing: Thing, noun: str) -> str | None:
    """The name of a thing without what a noun says already; None if nothing is left."""
    known = COLORS | SIZES | {fold(word) for word in noun.split()}
    return " ".join(word for word in key(thing.name).split() if fold(word) not in known) or None


def all_or_none(answers: Iterable[bool | None]) -> list[bool] | None:
    """The answers if all are known."""
    listed = list(answers)
    known = [answer for answer in listed if answer is not None]
    return known if len(known) == len(listed) else None


def judged(gap: float | None, least: float) -> bool | None:
    """Whether a gap is positive; None if it is smaller than `least`."""
    return None if gap is None or abs(gap) < least else gap > 0


def beside(relation: str, thing: Thing, other: Thing) -> bool | None:
    """Whether a thing is left of, right of, above or below another."""
    name = "column" if relation in ("left", "right") else "row"
    gap = _difference(getattr(other, name), getattr(thing, name))
    return judged(gap if gap is None or relation in ("left", "above") else -gap, PLACE_GAP)


def in_half(half: str, thing: Thing) -> bool | None:
    """Whether a thing is in the left, right, top or bottom half of the image."""
    place = thing.column if half in ("left", "right") else thing.row
    gap = _difference(STEPS / 2, None if place is None else place + 0.5)
    return judged(gap if gap is None or half in ("left", "top") else -gap, HALF_GAP)


def bigger(thing: Thing, other: Thing) -> bool | None:
    """Whether a thing is bigger than another."""
    return judged(_difference(thing.size, other.size), SIZE_GAP)


def distance(thing: Thing, other: Thing) -> float | None:
    """Between the middles of two things, in steps."""
    if thing.row is None or other.row is None or thing.column is None or other.column is None:
        return None
    return math.dist((thing.row, thing.column), (other.row, other.column))


def greatest(things: Sequence[Thing], measure: Callable[[Thing], float | None], least: float) -> Thing | None:
    """The thing whose measure is greatest by at least `least`; None if there is none."""
    measured = [(amount, place) for place, thing in enumerate(things) if (amount := measure(thing)) is not None]
    if not things or len(measured) < len(things):
        return None
    measured.sort(reverse=True)
    if len(measured) > 1 and judged(measured[0][0] - measured[1][0], least) is None:
        return None
    return things[measured[0][1]]


def yes(fact: bool | None) -> str | None:
    """The answer "yes" or "no"; None if it is not known."""
    return None if fact is None else "yes" if fact else "no"


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
