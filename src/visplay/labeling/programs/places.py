"""Families about rows, columns, sizes and what things have in common: relations, superlatives, two hops."""

from __future__ import annotations

from visplay.labeling.programs.family import Families
from visplay.labeling.programs.program import UNKNOWN
from visplay.labeling.programs.scene_slots import SEEN, SLOTS
from visplay.labeling.programs.seen import (
    DISTANCE_GAP,
    PLACE_GAP,
    SIZE_GAP,
    all_or_none,
    beside,
    bigger,
    called,
    distance,
    exists,
    found,
    greatest,
    in_half,
    lacks,
    only,
    pair,
    value,
    yes,
)  # fmt: skip
from visplay.labeling.programs.things import property_of
from visplay.labeling.records.schema import Scene, Thing

places: Families[Scene] = Families(SLOTS, SEEN)
"""The families about places, sizes and what things have in common."""


def _one(things: list[Thing] | None) -> Thing | None:
    return things[0] if things is not None and len(things) == 1 else None


def _in_half(scene: Scene, noun: str, half: str, named: bool = False) -> list[Thing] | None:
    """The things of a noun in a half of the image."""
    things = found(scene, noun, named)
    placed = None if things is None else all_or_none(in_half(half, thing) for thing in things)
    return None if things is None or placed is None else [t for t, inside in zip(things, placed, strict=True) if inside]


def _beside(scene: Scene, noun: str, relation: str, anchor_noun: str, named: bool = False) -> list[Thing] | None:
    """The things of a noun in a relation to the one thing of another noun."""
    anchor, things = only(scene, anchor_noun), found(scene, noun, named)
    if anchor is None or things is None:
        return None
    others = [thing for thing in things if thing is not anchor]
    placed = all_or_none(beside(relation, thing, anchor) for thing in others)
    return None if placed is None else [thing for thing, holds in zip(others, placed, strict=True) if holds]


def _by_distance(scene: Scene, noun: str, extreme: str, anchor_noun: str) -> Thing | None:
    anchor, things = only(scene, anchor_noun), found(scene, noun, named=True)
    if anchor is None or things is None:
        return None
    sign = 1 if extreme == "furthest" else -1

    def measure(thing: Thing) -> float | None:
        return None if (apart := distance(thing, anchor)) is None else sign * apart

    return greatest([thing for thing in things if thing is not anchor], measure, DISTANCE_GAP)


def _by_size(scene: Scene, noun: str, extreme: str) -> Thing | None:
    sign = 1 if extreme == "biggest" else -1
    things = found(scene, noun, named=True) or []
    measured = greatest(things, lambda thing: None if thing.size is None else sign * thing.size, SIZE_GAP)
    return measured if len(things) > 1 else None


def _by_edge(scene: Scene, noun: str, edge: str) -> Thing | None:
    name, sign = "column" if edge in ("left", "right") else "row", -1 if edge in ("left", "top") else 1
    things = found(scene, noun, named=True) or []

    def measure(thing: Thing) -> float | None:
        return None if (step := getattr(thing, name)) is None else sign * step

    return greatest(things, measure, PLACE_GAP) if len(things) > 1 else None


def _name(thing: Thing | None, noun: str) -> str | None:
    return None if thing is None else called(thing, noun)


@places("half", "relation", 1, "is the {a} {half}?", "is the {a} located {half}?")
def _half(scene: Scene, a: str, half: str) -> str | None:
    thing = only(scene, a)
    return None if thing is None else yes(in_half(half, thing))


@places(
    "side",
    "relation",
    1,
    "on which side of the image is the {a}, left or right?",
    "is the {a} on the left or [on the ]right side of the image?",
    "is the {a} on the left or the right?",
)
def _side(scene: Scene, a: str) -> str | None:
    return _which(scene, a, "left", "right")


@places(
    "level",
    "relation",
    1,
    "in which half of the image is the {a}, top or bottom?",
    "is the {a} in the top or [in the ]bottom half of the image?",
    "is the {a} at the top or at the bottom?",
)
def _level(scene: Scene, a: str) -> str | None:
    return _which(scene, a, "top", "bottom")


def _which(scene: Scene, noun: str, first: str, second: str) -> str | None:
    thing = only(scene, noun)
    inside = None if thing is None else in_half(first, thing)
    return None if inside is None else first if inside else second


@places(
    "exists-in-half",
    "existence",
    2,
    "is there a {a} {half}?",
    "are there [any ]{A} {half}?",
    "do you see a {a} {half}?",
)
def _exists_in_half(scene: Scene, a: str, half: str) -> str | None:
    if exists(scene, a) is False:
        return "no"
    things = _in_half(scene, a, half)
    return None if things is None else yes(bool(things))


@places(
    "count-in-half",
    "counting",
    2,
    "how many {A} are {half}?",
    "how many {A} are there {half}?",
    "how many {A} do you see {half}?",
)
def _count_in_half(scene: Scene, a: str, half: str) -> str | None:
    things = _in_half(scene, a, half)
    return None if things is None else str(len(things))


@places("more-in-half", "comparison", 3, "are there more {A} than {B} {half}?", "do you see more {A} than {B} {half}?")
def _more_in_half(scene: Scene, a: str, b: str, half: str) -> str | None:
    first, second = _in_half(scene, a, half), _in_half(scene, b, half)
    return None if first is None or second is None or a == b else yes(len(first) > len(second))


@places(
    "attribute-in-half",
    "two-hop",
    2,
    "what {property} is the {a} {half}?",
    "what is the {property} of the {a} [that is ]{half}?",
)
def _attribute_in_half(scene: Scene, property: str, a: str, half: str) -> str | None:
    return property_of(_one(_in_half(scene, a, half, named=True)), property, a)


@places("name-in-half", "two-hop", 2, "what is the {a} {half}?", "what {a} is {half}?")
def _name_in_half(scene: Scene, a: str, half: str) -> str | None:
    return _name(_one(_in_half(scene, a, half, named=True)), a)


@places("beside", "relation", 2, "is the {a} {direction} the {b}?", "is the {a} located {direction} the {b}?")
def _is_beside(scene: Scene, a: str, direction: str, b: str) -> str | None:
    both = pair(scene, a, b)
    return None if both is None else yes(beside(direction, *both))


@places("beside-nothing", "premise", 1, "is the {a} {direction} the {b}?", "is the {a} located {direction} the {b}?")
def _beside_nothing(scene: Scene, a: str, direction: str, b: str) -> str | None:
    return UNKNOWN if a != b and lacks(scene, a, b) else None


@places(
    "left-or-right",
    "relation",
    2,
    "is the {a} left or right of the {b}?",
    "is the {a} (to|on) the left or [to |on ][the ]right of the {b}?",
)
def _left_or_right(scene: Scene, a: str, b: str) -> str | None:
    both = pair(scene, a, b)
    placed = None if both is None else beside("left", *both)
    return None if placed is None else "left" if placed else "right"


@places(
    "above-or-below", "relation", 2, "is the {a} above or below the {b}?", "is the {a} located above or below the {b}?"
)
def _above_or_below(scene: Scene, a: str, b: str) -> str | None:
    both = pair(scene, a, b)
    placed = None if both is None else beside("above", *both)
    return None if placed is None else "above" if placed else "below"


@places(
    "exists-beside", "two-hop", 2, "is there a {a} {direction} the {b}?", "are there [any ]{A} {direction} the {b}?"
)
def _exists_beside(scene: Scene, a: str, direction: str, b: str) -> str | None:
    things = _beside(scene, a, direction, b)
    return None if things is None else yes(bool(things))


@places(
    "count-beside", "two-hop", 2, "how many {A} are {direction} the {b}?", "how many {A} are there {direction} the {b}?"
)
def _count_beside(scene: Scene, a: str, direction: str, b: str) -> str | None:
    things = _beside(scene, a, direction, b)
    return None if things is None else str(len(things))


@places(
    "attribute-beside",
    "two-hop",
    2,
    "what {property} is the {a} {direction} the {b}?",
    "what is the {property} of the {a} [that is ]{direction} the {b}?",
)
def _attribute_beside(scene: Scene, property: str, a: str, direction: str, b: str) -> str | None:
    return property_of(_one(_beside(scene, a, direction, b, named=True)), property, a)


@places("name-beside", "two-hop", 2, "what is the {a} {direction} the {b}?", "what {a} is {direction} the {b}?")
def _name_beside(scene: Scene, a: str, direction: str, b: str) -> str | None:
    return _name(_one(_beside(scene, a, direction, b, named=True)), a)


@places(
    "attribute-by-distance",
    "superlative",
    3,
    "what {property} is the {a} {distance} the {b}?",
    "what is the {property} of the {a} [that is ]{distance} the {b}?",
)
def _attribute_by_distance(scene: Scene, property: str, a: str, distance: str, b: str) -> str | None:
    return property_of(_by_distance(scene, a, distance, b), property, a)


@places("name-by-distance", "superlative", 3, "what is the {a} {distance} the {b}?", "what {a} is {distance} the {b}?")
def _name_by_distance(scene: Scene, a: str, distance: str, b: str) -> str | None:
    return _name(_by_distance(scene, a, distance, b), a)


@places("bigger", "comparison", 2, "is the {a} bigger than the {b}?", "is the {a} larger than the {b}?")
def _bigger(scene: Scene, a: str, b: str) -> str | None:
    both = pair(scene, a, b)
    return None if both is None else yes(bigger(*both))


@places("bigger-than-nothing", "premise", 1, "is the {a} bigger than the {b}?", "is the {a} larger than the {b}?")
def _bigger_than_nothing(scene: Scene, a: str, b: str) -> str | None:
    return UNKNOWN if a != b and lacks(scene, a, b) else None


@places("smaller", "comparison", 2, "is the {a} smaller than the {b}?", "does the {a} look smaller than the {b}?")
def _smaller(scene: Scene, a: str, b: str) -> str | None:
    both = pair(scene, b, a)
    return None if both is None else yes(bigger(*both))


@places(
    "same",
    "comparison",
    2,
    "do the {a} and the {b} have the same {property}?",
    "is the {property} of the {a} (the same as|equal to) that of the {b}?",
)
def _same(scene: Scene, a: str, b: str, property: str) -> str | None:
    both = pair(scene, a, b)
    values = [value(thing, property) for thing in both] if both else [None]
    return None if None in values else yes(values[0] == values[1])


@places(
    "count-same",
    "two-hop",
    2,
    "how many {A} have the {property} of the {b}?",
    "how many {A} have the same {property} as the {b}, itself included?",
)
def _count_same(scene: Scene, a: str, property: str, b: str) -> str | None:
    anchor, things = only(scene, b), found(scene, a)
    wanted = None if anchor is None else value(anchor, property)
    if things is None or wanted is None:
        return None
    values = [value(thing, property) for thing in things]
    return None if None in values else str(values.count(wanted))


@places(
    "count-others-same",
    "two-hop",
    2,
    "how many other {A} have the same {property} as the {b}?",
    "how many other {A} have the {property} of the {b}?",
)
def _count_others_same(scene: Scene, a: str, property: str, b: str) -> str | None:
    anchor, things = only(scene, b), found(scene, a)
    if anchor is None or things is None or (wanted := value(anchor, property)) is None:
        return None
    values = [value(thing, property) for thing in things if thing is not anchor]
    return None if None in values else str(values.count(wanted))


@places(
    "attribute-by-size",
    "superlative",
    2,
    "what {property} is the {size} {a}?",
    "what is the {property} of the {size} {a}?",
)
def _attribute_by_size(scene: Scene, property: str, size: str, a: str) -> str | None:
    return property_of(_by_size(scene, a, size), property, a)


@places("name-by-size", "superlative", 2, "what is the {size} {a}?", "what {a} is the {size}?")
def _name_by_size(scene: Scene, size: str, a: str) -> str | None:
    return _name(_by_size(scene, a, size), a)


@places(
    "attribute-by-edge",
    "superlative",
    2,
    "what {property} is the {edge} {a}?",
    "what is the {property} of the {edge} {a}?",
)
def _attribute_by_edge(scene: Scene, property: str, edge: str, a: str) -> str | None:
    return property_of(_by_edge(scene, a, edge), property, a)


@places("name-by-edge", "superlative", 2, "what is the {edge} {a}?", "what {a} is the {edge}?")
def _name_by_edge(scene: Scene, edge: str, a: str) -> str | None:
    return _name(_by_edge(scene, a, edge), a)
