"""Scenes of the lab: a few coloured shapes on a square canvas, generated from a seed.

Coordinates are fractions of the canvas; the origin is the top left, y points down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLORS: tuple[str, ...] = ("black", "gray", "red", "green", "blue", "teal", "brown", "yellow")
SHAPES: tuple[str, ...] = ("circle", "rectangle", "triangle", "cross")

# Pairs that pretraining never draws; the composition suites draw mostly these.
UNSEEN_PAIRS: frozenset[tuple[str, str]] = frozenset({("gray", "circle"), ("red", "cross"), ("teal", "cross")})
ALL_PAIRS: tuple[tuple[str, str], ...] = tuple((c, s) for c in COLORS for s in SHAPES)
SEEN_PAIRS: tuple[tuple[str, str], ...] = tuple(p for p in ALL_PAIRS if p not in UNSEEN_PAIRS)


@dataclass(frozen=True, slots=True)
class Thing:
    """A coloured shape: centre (x, y), half extents along its axes, rotation `turn` in radians."""

    color: str
    shape: str
    x: float
    y: float
    half_width: float
    half_height: float
    turn: float = 0.0

    @property
    def area(self) -> float:
        """Area as a fraction of the canvas."""
        box = 4 * self.half_width * self.half_height
        return box * {"circle": math.pi / 4, "rectangle": 1.0, "triangle": 0.5, "cross": 5 / 9}[self.shape]


@dataclass(frozen=True, slots=True)
class Scene:
    """The things on a canvas, left to right."""

    things: tuple[Thing, ...]


def random_scene(
    rng: np.random.Generator,
    count: int,
    pairs: Sequence[tuple[str, str]] = SEEN_PAIRS,
    sizes: tuple[float, float] = (0.08, 0.17),
    turned: bool = False,
    repeat: float = 0.25,
) -> Scene:
    """A scene of `count` things that do not overlap.

    Args:
        pairs: the (color, shape) pairs to choose from.
        sizes: smallest and largest half extent.
        turned: whether things are rotated at random.
        repeat: probability that a thing has the colour or the shape of an earlier one; without it, counting and
            telling things apart would be too easy.
    """
    things: list[Thing] = []
    while len(things) < count:
        thing = _random_thing(rng, _random_pair(rng, pairs, things, repeat), sizes, turned)
        if all(_apart(thing, other) for other in things):
            things.append(thing)
        elif rng.random() < 0.02:
            things.clear()
    return Scene(tuple(sorted(things, key=lambda t: (t.x, t.y))))


def _random_pair(
    rng: np.random.Generator, pairs: Sequence[tuple[str, str]], things: Sequence[Thing], repeat: float
) -> tuple[str, str]:
    if things and rng.random() < repeat:
        model = things[int(rng.integers(len(things)))]
        related = [p for p in pairs if (p[0] == model.color) or (p[1] == model.shape)]
        if related:
            return related[int(rng.integers(len(related)))]
    return pairs[int(rng.integers(len(pairs)))]


def _random_thing(rng: np.random.Generator, pair: tuple[str, str], sizes: tuple[float, float], turned: bool) -> Thing:
    color, shape = pair
    half_width = half_height = float(rng.uniform(*sizes))
    if shape == "rectangle":
        half_height = float(np.clip(half_width * rng.uniform(0.5, 2.0), *sizes))
    turn = float(rng.uniform(0, 2 * math.pi)) if turned else 0.0
    reach = math.hypot(half_width, half_height) if turned else max(half_width, half_height)
    x, y = rng.uniform(reach + 0.02, 0.98 - reach, size=2)
    return Thing(color, shape, float(x), float(y), half_width, half_height, turn)


def _apart(a: Thing, b: Thing) -> bool:
    reach = max(a.half_width, a.half_height) + max(b.half_width, b.half_height) + 0.04
    return abs(a.x - b.x) > reach or abs(a.y - b.y) > reach
