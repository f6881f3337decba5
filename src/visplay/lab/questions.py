"""Random questions about a scene, with balanced answers, for pretraining and the labelled suites; not for self-play."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from visplay.lab.language import DIRECTIONS, DISTANCES, Kind, Noun, Query, Relation
from visplay.lab.oracle import answer, matching
from visplay.lab.scene import ALL_PAIRS, COLORS, SHAPES, Scene, Thing

RELATIONS: tuple[Kind, ...] = ("left", "right", "above", "below")
SIZES: tuple[Kind, ...] = ("bigger", "smaller")
_TRIES = 12

Draw = Callable[[Scene, np.random.Generator], Query | None]
"""Draws a query about a scene; it may have no answer there, and None is no query."""


def random_query(kind: Kind, scene: Scene, rng: np.random.Generator) -> Query | None:
    """A query of `kind` that has an answer in `scene`; yes and no are equally likely where possible.

    Returns:
        None if the scene has no such question; a relation, for example, needs two things.
    """
    return answerable(lambda scene, rng: _draw(kind, scene, rng), scene, rng)


def random_two_hop(scene: Scene, rng: np.random.Generator) -> Query | None:
    """A question about things that are found by another thing, with an answer in `scene`; None if there is none."""
    return answerable(_draw_two_hop, scene, rng)


def random_large_count(scene: Scene, rng: np.random.Generator) -> Query | None:
    """A question for a number of at least four; None if the scene has no four things that a noun describes."""
    nouns = [Noun(), *(Noun(None, shape) for shape in SHAPES), *(Noun(color, None) for color in COLORS)]
    nouns = [noun for noun in nouns if len(matching(noun, scene)) > 3]
    return Query("count", nouns[rng.integers(len(nouns))]) if nouns else None


def answerable(draw: Draw, scene: Scene, rng: np.random.Generator) -> Query | None:
    """A query of `draw` that has an answer in `scene`; None after some tries without."""
    for _ in range(_TRIES):
        query = draw(scene, rng)
        if query is not None and answer(query, scene) is not None:
            return query
    return None


def careless_query(kind: Kind, scene: Scene, rng: np.random.Generator) -> Query:
    """A query of `kind` about things that may be absent, so that it may have no answer in the scene."""
    match kind:
        case "color":
            return Query(kind, Noun(None, str(rng.choice(SHAPES))))
        case "shape":
            return Query(kind, Noun(str(rng.choice(COLORS)), None))
        case "exists" | "absent" | "count":
            return Query(kind, _any_noun(rng))
        case "half":
            return Query(kind, _any_noun(rng), relation=_direction(rng))
        case "same color" | "same shape":
            return Query(kind, Noun(), _any_noun(rng))
        case "record":
            return Query(kind, Noun())
        case _:
            return Query(kind, _present_noun(scene, rng), _any_noun(rng))


def unanswerable_query(scene: Scene, rng: np.random.Generator) -> Query:
    """A query about the colour, the shape or the place of a thing that is not there."""
    while True:
        kind: Kind = ("color", "color", "shape", "shape", "half", *RELATIONS, *SIZES)[rng.integers(11)]
        query = careless_query(kind, scene, rng)
        if not matching(query.noun, scene) or (query.other and not matching(query.other, scene)):
            return query


def absent_noun(scene: Scene, rng: np.random.Generator) -> Noun:
    """A noun for an absent thing; half of the time it has the colour or the shape of a present thing."""
    while True:
        noun = _any_noun(rng)
        if scene.things and rng.random() < 0.5:
            thing = _any_thing(scene, rng)
            if rng.random() < 0.5:
                noun = Noun(thing.color, str(rng.choice(SHAPES)))
            else:
                noun = Noun(str(rng.choice(COLORS)), thing.shape)
        if not matching(noun, scene):
            return noun


def _draw(kind: Kind, scene: Scene, rng: np.random.Generator) -> Query | None:
    several = len(scene.things) > 1
    thing = _any_thing(scene, rng)
    match kind:
        case "color":
            return Query(kind, Noun(None, thing.shape if several or rng.random() < 0.6 else None))
        case "shape":
            return Query(kind, Noun(thing.color if several or rng.random() < 0.5 else None, None))
        case "exists" | "absent":
            return Query(kind, _noun(thing.color, thing.shape, rng) if rng.random() < 0.5 else absent_noun(scene, rng))
        case "count":
            noun = Noun() if rng.random() < 0.3 else _noun(thing.color, thing.shape, rng)
            return Query(kind, absent_noun(scene, rng) if rng.random() < 0.1 else noun)
        case "half":
            return Query(kind, _unique_noun(thing, scene), relation=_direction(rng))
        case "more" | "fewer":
            return _comparison(kind, scene, rng)
        case "same color" | "same shape":
            return _same(kind, scene, rng)
        case "record":
            return Query(kind, Noun())
        case _ if several:
            a, b = rng.choice(len(scene.things), size=2, replace=False)
            return Query(kind, _unique_noun(scene.things[a], scene), _unique_noun(scene.things[b], scene))
        case _:
            return None


def _draw_two_hop(scene: Scene, rng: np.random.Generator) -> Query | None:
    if len(scene.things) < 2:
        return None
    a, b = (scene.things[place] for place in rng.choice(len(scene.things), size=2, replace=False))
    anchor = _unique_noun(b, scene)
    kind: Kind = ("color", "color", "shape", "shape", "count", "same color", "same shape")[rng.integers(7)]
    relation: Relation = (*DIRECTIONS, *DISTANCES)[rng.integers(6)]
    narrow = rng.random() < 0.5
    match kind:
        case "color":
            return Query(kind, Noun(None, a.shape if narrow else None), anchor, relation)
        case "shape":
            return Query(kind, Noun(a.color if narrow else None, None), anchor, relation)
        case "count":
            return Query(kind, Noun(None, a.shape if narrow else None), anchor, _direction(rng))
        case _:
            return _same(kind, scene, rng)


def _comparison(kind: Kind, scene: Scene, rng: np.random.Generator) -> Query:
    """Half of the answers are yes; a tenth of the questions are about equal numbers."""
    wanted = "yes" if rng.random() < 0.5 else "no"
    while True:
        thing, other = _any_thing(scene, rng), _any_thing(scene, rng)
        first = _noun(thing.color, thing.shape, rng)
        second = absent_noun(scene, rng) if rng.random() < 0.25 else _noun(other.color, other.shape, rng)
        if len(matching(first, scene)) == len(matching(second, scene)) and rng.random() < 0.9:
            continue
        queries = (Query(kind, first, second), Query(kind, second, first))
        return next((query for query in queries if answer(query, scene) == wanted), queries[0])


def _same(kind: Kind, scene: Scene, rng: np.random.Generator) -> Query:
    """Mostly about a thing that shares the colour or the shape with another thing, where there is such a thing."""
    attribute = kind.removeprefix("same ")
    values = [getattr(thing, attribute) for thing in scene.things]
    shared = [thing for thing in scene.things if values.count(getattr(thing, attribute)) > 1]
    things = shared if shared and rng.random() < 0.7 else scene.things
    return Query(kind, Noun(), _unique_noun(things[rng.integers(len(things))], scene))


def _direction(rng: np.random.Generator) -> Relation:
    return DIRECTIONS[rng.integers(len(DIRECTIONS))]


def _any_thing(scene: Scene, rng: np.random.Generator) -> Thing:
    return scene.things[rng.integers(len(scene.things))]


def _present_noun(scene: Scene, rng: np.random.Generator) -> Noun:
    thing = _any_thing(scene, rng)
    return _noun(thing.color, thing.shape, rng)


def _any_noun(rng: np.random.Generator) -> Noun:
    """Any noun of the language, for a thing that may be absent."""
    return _noun(*ALL_PAIRS[rng.integers(len(ALL_PAIRS))], rng)


def _noun(color: str, shape: str, rng: np.random.Generator) -> Noun:
    """Colour and shape, only the shape, or only the colour."""
    return (Noun(color, shape), Noun(None, shape), Noun(color, None))[rng.integers(3)]


def _unique_noun(thing: Thing, scene: Scene) -> Noun:
    """The shortest noun that describes this thing alone, else colour and shape."""
    for noun in (Noun(None, thing.shape), Noun(thing.color, None)):
        if len(matching(noun, scene)) == 1:
            return noun
    return Noun(thing.color, thing.shape)
