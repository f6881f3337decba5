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
            return Query(kind, _any_noun(rng))
        case _:
            return Query(kind, _present_noun(scene, rng), _any_noun(rng))


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
            noun = Noun() if rng.random() < 0.4 else _noun(thing.color, thing.shape, rng)
            return Query(kind, absent_noun(scene, rng) if rng.random() < 0.1 else noun)
        case "more":
            first, thing = _present_noun(scene, rng), _any_thing(scene, rng)
            second = absent_noun(scene, rng) if rng.random() < 0.4 else _noun(thing.color, thing.shape, rng)
            return Query(kind, second, first) if rng.random() < 0.5 else Query(kind, first, second)
        case _ if several:
            a, b = rng.choice(len(scene.things), size=2, replace=False)
            return Query(kind, _unique_noun(scene.things[a], scene), _unique_noun(scene.things[b], scene))
        case _:
            return None


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
    shape_only = Noun(None, thing.shape)
    return shape_only if len(matching(shape_only, scene)) == 1 else Noun(thing.color, thing.shape)
