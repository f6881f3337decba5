"""Scenes of the lab: a few coloured shapes on a square canvas, generated from a seed.

Coordinates are fractions of the canvas; the origin is the top left, y points down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLORS: tuple[str, ...] = ("black", "gray", "red", "green", "blue", "teal", "brown", "yellow", "orange")
SHAPES: tuple[str, ...] = ("circle", "rectangle", "triangle", "cross")

Pair = tuple[str, str]  # colour and shape
# Pairs that pretraining never draws; the composition suites draw mostly these.
UNSEEN_PAIRS: frozenset[Pair] = frozenset(
    {("gray", "circle"), ("red", "cross"), ("teal", "cross"), ("orange", "triangle")}
)
ALL_PAIRS: tuple[Pair, ...] = tuple((c, s) for c in COLORS for s in SHAPES)
SEEN_PAIRS: tuple[Pair, ...] = tuple(p for p in ALL_PAIRS if p not in UNSEEN_PAIRS)

MOST_THINGS = 6
STEPS = 10  # rows, columns and sizes are counted in tenths
# A size step is a factor of the area. Two things whose areas differ by SIZE_GAP of the larger never share a step.
SIZE_GAP = 0.35
_SMALLEST_AREA = 0.0072

# Shares of things that have the colour or the shape of an earlier one; an image has one of the two shares. Otherwise
# there would be few images with many things of a kind.
_REPEATED = (0.25, 0.75)
_WIDEST = 0.36  # half extents are at most this, divided by the root of the number of things
_AREAS = {"circle": math.pi / 4, "rectangle": 1.0, "triangle": 0.5, "cross": 5 / 9}  # shares of their boxes


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
        return 4 * self.half_width * self.half_height * _AREAS[self.shape]

    @property
    def column(self) -> int:
        """The column of the centre, 0 (left) to 9."""
        return int(STEPS * self.x)

    @property
    def row(self) -> int:
        """The row of the centre, 0 (top) to 9."""
        return int(STEPS * self.y)

    @property
    def size(self) -> int:
        """The size step of the area, 0 (small) to 9."""
        step = math.log(self.area / _SMALLEST_AREA) / -math.log(1 - SIZE_GAP)
        return min(STEPS - 1, max(0, int(step)))


def area_of_step(shape: str, step: int) -> float:
    """The area of the square around a shape whose area is in the middle of a size step."""
    return float(_SMALLEST_AREA * (1 - SIZE_GAP) ** -(step + 0.5) / _AREAS[shape])


@dataclass(frozen=True, slots=True)
class Scene:
    """The things on a canvas, left to right."""

    things: tuple[Thing, ...]


def random_scene(
    rng: np.random.Generator,
    count: int,
    pairs: Sequence[Pair] = SEEN_PAIRS,
    sizes: tuple[float, float] = (0.06, 0.25),
    turned: bool = False,
) -> Scene:
    """A scene of `count` things that do not overlap, with half extents within `sizes`, smaller if they are many."""
    repeated = _REPEATED[int(rng.random() < 0.3)]
    low, high = sizes
    sizes = low, max(low, min(high, _WIDEST / math.sqrt(count)))
    things: list[Thing] = []
    while len(things) < count:
        thing = _random_thing(rng, *_random_pair(rng, pairs, things, repeated), sizes, turned)
        if all(_apart(thing, other) for other in things):
            things.append(thing)
        elif rng.random() < 0.02:
            things.clear()
    return Scene(tuple(sorted(things, key=lambda t: (t.x, t.y))))


def _random_pair(rng: np.random.Generator, pairs: Sequence[Pair], things: Sequence[Thing], repeated: float) -> Pair:
    if things and rng.random() < repeated:
        model = things[int(rng.integers(len(things)))]
        pairs = [p for p in pairs if p[0] == model.color or p[1] == model.shape] or pairs
    return pairs[int(rng.integers(len(pairs)))]


def _random_thing(rng: np.random.Generator, color: str, shape: str, sizes: tuple[float, float], turned: bool) -> Thing:
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
