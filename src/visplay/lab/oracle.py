"""True answers to questions about a scene, for measurement and for pretraining the lab's model.

Code that trains on unlabeled images must not import this module.
"""

from __future__ import annotations

from visplay.lab.language import Noun, Query, read
from visplay.lab.scene import Scene, Thing

# Smaller differences cannot be judged by eye: of positions, as fractions of the canvas; of sizes, of the larger area.
PLACE_GAP = 0.1
SIZE_GAP = 0.25


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
        case "color" | "shape":
            return getattr(found[0], query.kind) if len(found) == 1 else None
        case _:
            alone = len(found) == len(others) == 1 and found != others
            return _compare(query.kind, found[0], others[0]) if alone else None


def matching(noun: Noun, scene: Scene) -> list[Thing]:
    """The things that a noun describes."""
    return [t for t in scene.things if noun.color in (None, t.color) and noun.shape in (None, t.shape)]


def _compare(kind: str, a: Thing, b: Thing) -> str | None:
    larger = max(a.area, b.area)
    gaps = {
        "left": b.x - a.x,
        "right": a.x - b.x,
        "above": b.y - a.y,
        "below": a.y - b.y,
        "bigger": (a.area - b.area) / larger,
        "smaller": (b.area - a.area) / larger,
    }
    least = SIZE_GAP if kind in ("bigger", "smaller") else PLACE_GAP
    return None if abs(gaps[kind]) < least else _yes(gaps[kind] > 0)


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
