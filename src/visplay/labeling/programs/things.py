"""Families about the things of a scene: what they are like, whether they are there, how many there are."""

from __future__ import annotations

from visplay.labeling.language import COLORS, fold
from visplay.labeling.programs.family import Families, key
from visplay.labeling.programs.program import UNKNOWN
from visplay.labeling.programs.scene_slots import SEEN, SLOTS, place, plural
from visplay.labeling.programs.seen import (
    SHAPES,
    all_or_none,
    attributes,
    called,
    describes,
    exists,
    found,
    is_,
    lacks,
    number,
    only,
    value,
    yes,
)  # fmt: skip
from visplay.labeling.records.schema import Scene, Thing

things: Families[Scene] = Families(SLOTS, SEEN)
"""The families about what things are like, whether they are there, and how many there are."""


def property_of(thing: Thing | None, name: str, noun: str) -> str | None:
    """A property of a thing, unless the noun says it already."""
    if thing is None or (name == "color" and not COLORS.isdisjoint(noun.split())):
        return None
    said = value(thing, name)
    return None if said is None or said in noun.split() else said


@things(
    "attribute",
    "attribute",
    1,
    "what {property} is the {a}?",
    "what is the {property} of the {a}?",
    "what {property} does the {a} have?",
)
def _attribute(scene: Scene, property: str, a: str) -> str | None:
    return property_of(only(scene, a), property, a)


@things(
    "attribute-of-nothing",
    "premise",
    1,
    "what {property} is the {a}?",
    "what is the {property} of the {a}?",
    "what {property} does the {a} have?",
)
def _attribute_of_nothing(scene: Scene, property: str, a: str) -> str | None:
    said = {"color": COLORS, "shape": SHAPES}.get(property, frozenset())
    return UNKNOWN if lacks(scene, a) and said.isdisjoint(a.split()) else None


@things("attribute-of-all", "attribute", 1, "what {property} are the {A}?", "what is the {property} of all [the ]{A}?")
def _attribute_of_all(scene: Scene, property: str, a: str) -> str | None:
    things = found(scene, a, named=True) or []
    values = {property_of(thing, property, a) for thing in things}
    return values.pop() if len(things) > 1 and len(values) == 1 else None


@things("is", "attribute", 1, "is the {a} {value}?", "is the {a} (turned|painted) {value}?")
def _is(scene: Scene, a: str, value: str) -> str | None:
    thing = only(scene, a)
    return None if thing is None or value in a.split() else yes(is_(thing, value))


@things("are-all", "attribute", 2, "are all {A} {value}?", "are [all ]the {A} {value}?", "is every {a} {value}?")
def _are_all(scene: Scene, a: str, value: str) -> str | None:
    things = found(scene, a, named=True) or []
    answers = [is_(thing, value) for thing in things]
    if len(things) < 2 or value in a.split():
        return None
    return "no" if False in answers else None if None in answers else "yes"


@things(
    "name",
    "attribute",
    1,
    "what is the {a}?",
    "what (kind|type) of {a} is (this|it|there)?",
    "what {a} is (shown|visible|present|in the image)?",
    "what {a} does the image (contain|show)?",
)
def _name(scene: Scene, a: str) -> str | None:
    thing = only(scene, a)
    return None if thing is None else called(thing, a)


@things("owned", "attribute", 2, "what {property} is the {a}'s {what}?", "what is the {property} of the {a}'s {what}?")
def _owned(scene: Scene, property: str, a: str, what: str) -> str | None:
    thing = only(scene, a)
    said = "" if thing is None else attributes(thing).get(what, "")
    colors = [word for word in said.split() if word in COLORS]
    return colors[0] if property == "color" and len(colors) == 1 else None


@things("doing", "attribute", 1, "what is the {a} {doing}?", "what does the image show the {a} {doing}?")
def _doing(scene: Scene, a: str, doing: str) -> str | None:
    thing = only(scene, a)
    return None if thing is None else attributes(thing).get(doing)


@things("has", "counting", 1, "how many {property} does the {a} have?", "how many {property} are on the {a}?")
def _has(scene: Scene, property: str, a: str) -> str | None:
    thing = only(scene, a)
    said = {} if thing is None else {fold(name): text for name, text in attributes(thing).items()}
    number = said.get(fold(property), "")
    return number if number.isdigit() else None


@things(
    "text",
    "reading",
    1,
    "what is written on the {a}?",
    "what (word|text|number|name) is [written ]on the {a}?",
    "what does the {a} say?",
)
def _text(scene: Scene, a: str) -> str | None:
    thing = only(scene, a)
    return None if thing is None else thing.text.strip() or None


@things("year-on", "reading", 1, "what year is [written ]on the {a}?", "what year does the {a} (say|show)?")
def _year(scene: Scene, a: str) -> str | None:
    thing = only(scene, a)
    years = [] if thing is None else [word for word in thing.text.split() if word.isdigit() and len(word) == 4]
    return years[0] if len(years) == 1 else None


@things("sign", "reading", 2, "what is the {a}?", "what does the {a} sign say?")
def _sign(scene: Scene, a: str) -> str | None:
    thing = only(scene, f"{a} sign") if len(a.split()) < 4 else None
    return None if thing is None or a == "object" else thing.text.strip() or None


@things(
    "exists",
    "existence",
    1,
    "is there a {a}?",
    "does the image (contain|show|have) a {a}?",
    "is a {a} (present|visible|shown)?",
    "do you see (a|any) {a}?",
    "are there [any ]{A}?",
    "do you see [any ]{A}?",
    "are [any ]{A} (visible|present)?",
)
def _exists(scene: Scene, a: str) -> str | None:
    return yes(exists(scene, a))


@things(
    "absent",
    "existence",
    1,
    "is there not a {a}?",
    "is there no {a}?",
    "does the image not (contain|show|have) a {a}?",
    "is no {a} present?",
    "does the image (contain|show|have) no {a}?",
    "are there no {A}?",
    "is no {a} (visible|shown)?",
)
def _absent(scene: Scene, a: str) -> str | None:
    there = exists(scene, a)
    return None if there is None else yes(not there)


@things("both", "existence", 2, "is there a {a} and a {b}?", "are there [both ]a {a} and a {b}?")
def _both(scene: Scene, a: str, b: str) -> str | None:
    seen = [exists(scene, a), exists(scene, b)]
    if a == b or (seen == [True, True] and _overlap(scene, a, b)):
        return None
    return "no" if False in seen else None if None in seen else "yes"


@things("either", "existence", 2, "is there a {a} or a {b}?", "does the image (contain|show) a {a} or a {b}?")
def _either(scene: Scene, a: str, b: str) -> str | None:
    seen = [exists(scene, a), exists(scene, b)]
    return None if a == b else "yes" if True in seen else None if None in seen else "no"


@things(
    "exists-at",
    "existence",
    2,
    "are there [any ]{A} (on|in|at) the {where}?",
    "is there a {a} (on|in|at) the {where}?",
)
def _exists_at(scene: Scene, a: str, where: str) -> str | None:
    if any(describes(scene, a, thing) and _is_at(thing, where) for thing in scene.things):
        return "yes"
    things = found(scene, a)
    placed = None if things is None else all_or_none(_is_at(thing, where) for thing in things)
    return None if placed is None else yes(any(placed))


@things(
    "count",
    "counting",
    1,
    "how many {A} are there?",
    "how many {A} are (visible|shown|present|in the image)?",
    "how many {A} does the image (contain|show|have)?",
    "what is the number of {A}?",
    "how many {A} do you see?",
    "count the {A}",
)
def _count(scene: Scene, a: str) -> str | None:
    return _text_of(number(scene, a))


@things("count-of-value", "counting", 2, "how many of the {A} are {value}?", "how many {A} are {value}?")
def _count_of_value(scene: Scene, a: str, value: str) -> str | None:
    things = found(scene, a)
    said = all_or_none(is_(thing, value) for thing in things) if things and value not in a.split() else None
    return None if said is None else str(sum(said))


@things(
    "count-at",
    "counting",
    2,
    "how many {A} are (on|in|at) the {where}?",
    "how many {A} are there (on|in|at) the {where}?",
)
def _count_at(scene: Scene, a: str, where: str) -> str | None:
    things = found(scene, a)
    placed = all_or_none(_is_at(thing, where) for thing in things) if things else None
    return None if placed is None else str(sum(placed))


@things(
    "count-doing", "counting", 2, "how many {A} are {doing} [a ]{what}?", "how many of the {A} are {doing} [a ]{what}?"
)
def _count_doing(scene: Scene, a: str, doing: str, what: str) -> str | None:
    things = found(scene, a) or []
    said = [attributes(thing).get(doing) for thing in things]
    if not things or None in said:
        return None
    wanted = {fold(word) for word in what.split()}
    return str(sum(wanted <= {fold(word) for word in (text or "").split()} for text in said))


@things("more", "comparison", 2, "are there more {A} than {B}?", "does the image (contain|show) more {A} than {B}?")
def _more(scene: Scene, a: str, b: str) -> str | None:
    return yes(gap > 0) if (gap := _gap(scene, a, b)) is not None else None


@things("fewer", "comparison", 2, "are there fewer {A} than {B}?", "does the image (contain|show) fewer {A} than {B}?")
def _fewer(scene: Scene, a: str, b: str) -> str | None:
    return yes(gap < 0) if (gap := _gap(scene, a, b)) is not None else None


@things(
    "as-many",
    "comparison",
    2,
    "are there as many {A} as {B}?",
    "is the number of {A} (equal to|the same as) the number of {B}?",
)
def _as_many(scene: Scene, a: str, b: str) -> str | None:
    return yes(gap == 0) if (gap := _gap(scene, a, b)) is not None else None


@things("which-more", "comparison", 2, "are there more {A} or more {B}?", "what are there more of, {A} or {B}?")
def _which_more(scene: Scene, a: str, b: str) -> str | None:
    gap = _gap(scene, a, b)
    return None if not gap else plural(a if gap > 0 else b)


@things("at-least", "comparison", 1, "are there at least {n} {A}?", "are there {n} or more {A}?")
def _at_least(scene: Scene, n: str, a: str) -> str | None:
    count = number(scene, a)
    return None if count is None else yes(count >= int(n))


@things("more-than", "comparison", 1, "are there more than {n} {A}?", "is the number of {A} (greater|larger) than {n}?")
def _more_than(scene: Scene, n: str, a: str) -> str | None:
    count = number(scene, a)
    return None if count is None else yes(count > int(n))


@things("exactly", "comparison", 1, "are there exactly {n} {A}?", "is the number of {A} {n}?")
def _exactly(scene: Scene, n: str, a: str) -> str | None:
    count = number(scene, a)
    return None if count is None else yes(count == int(n))


@things("difference", "arithmetic", 2, "how many more {A} than {B} are there?", "how many more {A} are there than {B}?")
def _difference(scene: Scene, a: str, b: str) -> str | None:
    gap = _gap(scene, a, b)
    return None if gap is None or gap < 0 else str(gap)


@things(
    "sum",
    "arithmetic",
    2,
    "how many {A} and {B} are there in total?",
    "how many {A} and {B} are there[ (together|altogether)]?",
    "what is the total number of {A} and {B}?",
)
def _sum(scene: Scene, a: str, b: str) -> str | None:
    first, second = number(scene, a), number(scene, b)
    if first is None or second is None or a == b or _overlap(scene, a, b):
        return None
    return str(first + second)


def _gap(scene: Scene, a: str, b: str) -> int | None:
    """By how many there are more of the first noun than of the second."""
    first, second = number(scene, a), number(scene, b)
    return None if first is None or second is None or a == b else first - second


def _overlap(scene: Scene, a: str, b: str) -> bool:
    """Whether a thing may be both: then "both" and "in total" have two meanings."""
    return any(
        describes(scene, a, thing) is not False and describes(scene, b, thing) is not False for thing in scene.things
    )


def _is_at(thing: Thing, where: str) -> bool | None:
    said = place(thing)
    return None if said is None else fold(key(where).split()[-1]) in {fold(word) for word in said.split()}


def _text_of(count: int | None) -> str | None:
    return None if count is None else str(count)
