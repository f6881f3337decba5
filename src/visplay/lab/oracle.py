"""The truth about a question on a scene. For measurement and for the lab's own drawings only.

Nothing that trains on unlabeled images may import this module.
"""

from __future__ import annotations

from visplay.lab.language import Noun, Query, read
from visplay.lab.scene import Scene, Thing

# Too close to call is not a fact a viewer could be held to: fractions of the canvas, and of the greater area.
PLACE_GAP = 0.1
SIZE_GAP = 0.25


def truth(question: str, scene: Scene) -> str | None:
    """The true answer to a question in the lab's language.

    Returns:
        the answer, or None when the question is not in the language or cannot be answered
        on this scene (it presupposes one thing where there is none, or several).
    """
    query = read(question)
    return None if query is None else answer(query, scene)


def answer(query: Query, scene: Scene) -> str | None:
    """The true answer to a query, None when the scene does not settle it."""
    found = matching(query.noun, scene)
    match query.kind:
        case "exists":
            return _yes(bool(found))
        case "absent":
            return _yes(not found)
        case "count":
            return str(len(found))
        case "more":
            return _yes(len(found) > len(matching(_second(query), scene)))
        case "color" | "shape":
            return getattr(found[0], query.kind) if len(found) == 1 else None
        case _:
            others = matching(_second(query), scene)
            if len(found) != 1 or len(others) != 1 or found[0] == others[0]:
                return None
            return _compare(query.kind, found[0], others[0])


def matching(noun: Noun, scene: Scene) -> list[Thing]:
    """The things a noun names."""
    return [
        t
        for t in scene.things
        if (noun.color is None or t.color == noun.color) and (noun.shape is None or t.shape == noun.shape)
    ]


def _compare(kind: str, a: Thing, b: Thing) -> str | None:
    gaps = {
        "left": b.x - a.x,
        "right": a.x - b.x,
        "above": b.y - a.y,
        "below": a.y - b.y,
        "bigger": (a.area - b.area) / max(a.area, b.area),
        "smaller": (b.area - a.area) / max(a.area, b.area),
    }
    gap = gaps[kind]
    least = SIZE_GAP if kind in ("bigger", "smaller") else PLACE_GAP
    return None if abs(gap) < least else _yes(gap > 0)


def _second(query: Query) -> Noun:
    if query.other is None:
        raise ValueError(f"a '{query.kind}' query names two things, this one only {query.noun}")
    return query.other


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
