"""Random questions about a scene, with balanced answers, for pretraining and the labelled suites; not for self-play."""

from __future__ import annotations

import numpy as np

from visplay.lab.language import Kind, Noun, Query
from visplay.lab.oracle import answer, matching
from visplay.lab.scene import ALL_PAIRS, COLORS, SHAPES, Scene, Thing

RELATIONS: tuple[Kind, ...] = ("left", "right", "above", "below")
SIZES: tuple[Kind, ...] = ("bigger", "smaller")


def random_query(kind: Kind, scene: Scene, rng: np.random.Generator) -> Query | None:
    """A query of `kind` that has an answer in `scene`; yes and no are equally likely where possible.

    Returns:
        None if the scene has no such question; a relation, for example, needs two things.
    """
    for _ in range(12):
        query = _draw(kind, scene, rng)
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
            return Query(kind, random_noun(rng))
        case _:
            thing = scene.things[rng.integers(len(scene.things))]
            return Query(kind, noun_for(thing, rng), random_noun(rng))


def noun_for(thing: Thing, rng: np.random.Generator) -> Noun:
    """A random noun for a thing: colour and shape, only the shape, or only the colour."""
    return (Noun(thing.color, thing.shape), Noun(None, thing.shape), Noun(thing.color, None))[rng.integers(3)]


def random_noun(rng: np.random.Generator) -> Noun:
    """Any noun of the language, for a thing that may be absent."""
    color, shape = ALL_PAIRS[rng.integers(len(ALL_PAIRS))]
    return (Noun(color, shape), Noun(None, shape), Noun(color, None))[rng.integers(3)]


def absent_noun(scene: Scene, rng: np.random.Generator) -> Noun:
    """A noun for an absent thing; half of the time it has the colour or the shape of a present thing."""
    while True:
        noun = random_noun(rng)
        if scene.things and rng.random() < 0.5:
            thing = scene.things[rng.integers(len(scene.things))]
            if rng.random() < 0.5:
                noun = Noun(thing.color, str(rng.choice(SHAPES)))
            else:
                noun = Noun(str(rng.choice(COLORS)), thing.shape)
        if not matching(noun, scene):
            return noun


def _draw(kind: Kind, scene: Scene, rng: np.random.Generator) -> Query | None:
    things = scene.things
    thing = things[rng.integers(len(things))]
    match kind:
        case "color":
            return Query(kind, Noun(None, thing.shape if len(things) > 1 or rng.random() < 0.6 else None))
        case "shape":
            return Query(kind, Noun(thing.color if len(things) > 1 or rng.random() < 0.5 else None, None))
        case "exists" | "absent":
            return Query(kind, noun_for(thing, rng) if rng.random() < 0.5 else absent_noun(scene, rng))
        case "count":
            noun = Noun() if rng.random() < 0.4 else noun_for(thing, rng)
            return Query(kind, absent_noun(scene, rng) if rng.random() < 0.1 else noun)
        case "more":
            return _draw_more(scene, rng)
        case _:
            return _draw_pair(kind, scene, rng)


def _draw_more(scene: Scene, rng: np.random.Generator) -> Query:
    first = noun_for(scene.things[rng.integers(len(scene.things))], rng)
    thing = scene.things[rng.integers(len(scene.things))]
    second = absent_noun(scene, rng) if rng.random() < 0.4 else noun_for(thing, rng)
    if rng.random() < 0.5:
        first, second = second, first
    return Query("more", first, second)


def _draw_pair(kind: Kind, scene: Scene, rng: np.random.Generator) -> Query | None:
    if len(scene.things) < 2:
        return None
    a, b = rng.choice(len(scene.things), size=2, replace=False)
    return Query(kind, _unique_noun(scene.things[a], scene), _unique_noun(scene.things[b], scene))


def _unique_noun(thing: Thing, scene: Scene) -> Noun:
    shape_only = Noun(None, thing.shape)
    return shape_only if len(matching(shape_only, scene)) == 1 else Noun(thing.color, thing.shape)
