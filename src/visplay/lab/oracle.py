"""True answers to questions about a scene, for measurement and for pretraining the lab's model.

Code that trains on unlabeled images must not import this module.
"""

from __future__ import annotations

import math

from visplay.lab.language import Noun, Query, Relation, read
from visplay.lab.record import describe
from visplay.lab.scene import SIZE_GAP, Scene, Thing

# Smaller differences cannot be judged by eye; fractions of the canvas.
PLACE_GAP = 0.1  # of two positions
HALF_GAP = 0.05  # of a position and the middle
DISTANCE_GAP = 0.05  # of two distances
_ROUNDING = 1e-9


def truth(question: str, scene: Scene) -> str | None:
    """The true answer to a question.

    Returns:
        the answer; None if the question is not in the lab's language or has no answer in this scene, for example
        because it presupposes one thing and the scene has none or several.
    """
    query = read(question)
    return None if query is None else answer(query, scene)


def answer(query: Query, scene: Scene) -> str | None:
    """The true answer to a query; None if it has no answer in the scene."""
    if query.is_two_hop:
        return _two_hop(query, scene)
    found = matching(query.noun, scene)
    others = [] if query.other is None else matching(query.other, scene)
    match query.kind:
        case "exists":
            return _yes(bool(found))
        case "absent":
            return _yes(not found)
        case "count":
            return str(len(found))
        case "more":
            return _yes(len(found) > len(others))
        case "fewer":
            return _yes(len(found) < len(others))
        case "color" | "shape":
            return getattr(found[0], query.kind) if len(found) == 1 else None
        case "half":
            return _half(query.relation, found[0]) if len(found) == 1 and query.relation else None
        case "record":
            return ", ".join(map(describe, found)) or None
        case _:
            alone = len(found) == len(others) == 1 and found != others
            return _compare(query.kind, found[0], others[0]) if alone else None


def matching(noun: Noun, scene: Scene) -> list[Thing]:
    """The things that a noun describes."""
    return [t for t in scene.things if noun.color in (None, t.color) and noun.shape in (None, t.shape)]


def related(query: Query, scene: Scene) -> list[Thing] | None:
    """The things that a two-hop question is about; None if its other noun is not of one thing, or a gap is too small.

    Examples: the shapes left of the red circle, the shape closest to it, the shapes of its color and itself.
    """
    anchors = [] if query.other is None else matching(query.other, scene)
    if len(anchors) != 1:
        return None
    anchor = anchors[0]
    if query.kind in ("same color", "same shape"):
        attribute = query.kind.removeprefix("same ")
        return [t for t in matching(query.noun, scene) if getattr(t, attribute) == getattr(anchor, attribute)]
    candidates = [thing for thing in matching(query.noun, scene) if thing is not anchor]
    if query.relation in ("closest", "furthest"):
        return _extreme(query.relation, anchor, candidates)
    gaps = [_gap(str(query.relation), thing, anchor) for thing in candidates]
    if any(abs(gap) < PLACE_GAP - _ROUNDING for gap in gaps):
        return None
    return [thing for thing, gap in zip(candidates, gaps, strict=True) if gap > 0]


def _two_hop(query: Query, scene: Scene) -> str | None:
    found = related(query, scene)
    if found is None:
        return None
    if query.kind in ("count", "same color", "same shape"):
        return str(len(found))
    return getattr(found[0], query.kind) if len(found) == 1 else None


def _extreme(relation: Relation, anchor: Thing, candidates: list[Thing]) -> list[Thing] | None:
    distances = sorted((math.dist((t.x, t.y), (anchor.x, anchor.y)), place) for place, t in enumerate(candidates))
    if relation == "furthest":
        distances.reverse()
    if len(distances) > 1 and abs(distances[0][0] - distances[1][0]) < DISTANCE_GAP:
        return None
    return [candidates[place] for _, place in distances[:1]]


def _half(relation: Relation, thing: Thing) -> str | None:
    middle = Thing("", "circle", 0.5, 0.5, 0.0, 0.0)
    gap = _gap(relation, thing, middle)
    return None if abs(gap) < HALF_GAP else _yes(gap > 0)


def _compare(kind: str, a: Thing, b: Thing) -> str | None:
    gap, least = _gap(kind, a, b), SIZE_GAP if kind in ("bigger", "smaller") else PLACE_GAP
    return None if abs(gap) < least - _ROUNDING else _yes(gap > 0)


def _gap(kind: str, a: Thing, b: Thing) -> float:
    """By how much a is left of b, and so on: fractions of the canvas, or of the larger area; negative if it is not."""
    match kind:
        case "left":
            return b.x - a.x
        case "right":
            return a.x - b.x
        case "above":
            return b.y - a.y
        case "below":
            return a.y - b.y
        case "bigger":
            return (a.area - b.area) / max(a.area, b.area)
        case _:
            return (b.area - a.area) / max(a.area, b.area)


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
