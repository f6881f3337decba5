"""Sort-of-CLEVR against a reader of pixels that shares no code with it, and its distributions."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest

from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.suites.sort_of_clevr import SortOfCLEVR
from visplay.types import Item

# The colors of the generator in its order, which is the order of drawing; there they are written as BGR.
COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "orange": (255, 156, 0),
    "gray": (128, 128, 128),
    "yellow": (255, 255, 0),
}
# What the loop of OpenCV's `Circle` (drawing.cpp) fills for radius 5, worked out by hand.
CIRCLE = """
.....#.....
..#######..
.#########.
.#########.
.#########.
###########
.#########.
.#########.
.#########.
..#######..
.....#.....
""".split()
SHAPES = {
    "circle": {(y - 5, x - 5) for y, line in enumerate(CIRCLE) for x, mark in enumerate(line) if mark == "#"},
    "rectangle": {(y, x) for y in range(-5, 6) for x in range(-5, 6)},
}


class Seen(NamedTuple):
    shape: str
    x: int
    y: int


def look(pixels: np.ndarray) -> dict[str, Seen]:
    """The objects on an image, from its pixels: the only shape and centre that explain the pixels of each color."""
    names = {value: name for name, value in COLORS.items()}
    shown: dict[str, set[tuple[int, int]]] = {name: set() for name in COLORS}
    for y, x in np.ndindex(*pixels.shape[:2]):
        value = tuple(pixels[y, x].tolist())
        if value != (255, 255, 255):
            shown[names[value]].add((y, x))
    found = {}
    for place, name in enumerate(COLORS):
        later = set().union(*(shown[other] for other in list(COLORS)[place + 1 :]))
        found[name] = only_fit(shown[name], later)
    return found


def only_fit(visible: set[tuple[int, int]], covering: set[tuple[int, int]]) -> Seen:
    """Uncovered, 121 pixels are a rectangle and 81 a circle; else the missing pixels must be under later colors."""
    ys, xs = zip(*visible, strict=True)
    fits = []
    for shape, offsets in SHAPES.items():
        for y in range(max(ys) - 5, min(ys) + 6):
            for x in range(max(xs) - 5, min(xs) + 6):
                whole = {(y + down, x + right) for down, right in offsets}
                if visible <= whole and whole - visible <= covering:
                    fits.append(Seen(shape, x, y))
    [fit] = fits
    return fit


def answer(question: str, seen: dict[str, Seen]) -> str:
    [color] = (name for name in COLORS if f" {name} " in question)
    asked = seen[color]
    # Stable: of two at the same distance, the earlier color comes first, as it does in the generator.
    others = sorted(
        ((np.hypot(one.x - asked.x, one.y - asked.y), one.shape) for name, one in seen.items() if name != color),
        key=lambda pair: pair[0],
    )
    if question == f"what is the shape of the {color} object?":
        return asked.shape
    if question == f"is the {color} object on the left side of the image?":
        return "yes" if asked.x <= 37 else "no"
    if question == f"is the {color} object in the top half of the image?":
        return "yes" if asked.y <= 37 else "no"
    if question == f"what is the shape of the object that is closest to the {color} object?":
        return others[0][1]
    if question == f"what is the shape of the object that is furthest from the {color} object?":
        return next(shape for distance, shape in others if distance == others[-1][0])
    assert question == f"how many objects have the shape of the {color} object?"
    return str([one.shape for one in seen.values()].count(asked.shape))


@pytest.fixture(scope="module")
def items() -> tuple[Item, ...]:
    whole, _ = SortOfCLEVR().open(0, None)
    return whole.items


def test_a_reader_of_pixels_gives_every_answer(items: tuple[Item, ...]) -> None:
    images = list(dict.fromkeys(item.image for item in items))[::33][:30]
    assert len(images) == 30
    seen = {image.id: look(np.asarray(image.load())) for image in images}
    asked = [item for item in items if item.image.id in seen]
    assert len(asked) == 600
    assert [(item.id, answer(item.question, seen[item.image.id])) for item in asked] == [
        (item.id, item.answer) for item in asked
    ]
    for objects in seen.values():
        centres = np.array([(one.x, one.y) for one in objects.values()])
        assert centres.min() >= 5 and centres.max() <= 69
        apart = ((centres[:, None] - centres[None]) ** 2).sum(-1)
        assert apart[~np.eye(6, dtype=bool)].min() >= 100


def test_sizes_kinds_and_parts(items: tuple[Item, ...]) -> None:
    whole, relational = SortOfCLEVR().open(0, None)
    assert (whole.name, relational.name) == ("sort_of_clevr", "sort_of_clevr_relational")
    assert (len(whole.items), len(relational.items)) == (20_000, 10_000)
    assert relational.items == tuple(item for item in whole.items if item.kind == "relational")
    assert Counter(Counter(item.image.id for item in items).values()) == {20: 1_000}
    assert Counter((item.image.id, item.kind) for item in items).keys() == {
        (item.image.id, kind) for item in items for kind in ("relational", "non-relational")
    }
    assert len({item.id for item in items}) == 20_000
    assert {item.image.load().size for item in items[::2_000]} == {(75, 75)}


def test_answers_have_the_shares_of_the_generator(items: tuple[Item, ...]) -> None:
    """Each of six questions is a sixth of all; shapes and sides are even, numbers are 1 + Binomial(5, 1/2)."""
    answers: dict[str, Counter[str]] = {}
    for item in items:
        subtype = re.sub("|".join(f" {name} " for name in COLORS), " ", item.question)
        answers.setdefault(subtype, Counter())[item.answer] += 1
    assert len(answers) == 6
    for subtype, counted in answers.items():
        assert counted.total() == pytest.approx(20_000 / 6, rel=0.06)
        if subtype.startswith("how many"):
            expected = {"1": 1, "2": 5, "3": 10, "4": 10, "5": 5, "6": 1}
            for number, weight in expected.items():
                assert counted[number] / counted.total() == pytest.approx(weight / 32, abs=0.03)
            assert counted.keys() == expected.keys()
        else:
            first, second = counted.values()
            assert first / (first + second) == pytest.approx(0.5, abs=0.035)
            assert set(counted) in ({"circle", "rectangle"}, {"yes", "no"})
    colors = Counter(re.findall(" (" + "|".join(COLORS) + ") ", " ".join(item.question for item in items)))
    assert all(count == pytest.approx(20_000 / 6, rel=0.06) for count in colors.values()) and len(colors) == 6


def test_what_a_guesser_gets_and_how_many_questions_repeat(items: tuple[Item, ...]) -> None:
    """The figures of docs/evaluation.md."""
    answers: dict[tuple[str, str], Counter[str]] = {}
    for item in items:
        subtype = re.sub("|".join(f" {name} " for name in COLORS), " ", item.question)
        answers.setdefault((item.kind, subtype), Counter())[item.answer] += 1
    for kind, share in (("non-relational", 0.515), ("relational", 0.446)):
        of_kind = [counted for (its, _), counted in answers.items() if its == kind]
        assert round(sum(max(each.values()) for each in of_kind) / 10_000, 3) == share
    assert len({(item.image.id, item.question) for item in items}) == 15_744


def test_how_often_the_generator_calls_an_object_closest_to_itself() -> None:
    """By a simulation of its placement; docs/evaluation.md states both shares."""
    rng = np.random.default_rng(0)
    itself = wrong = ties = 0
    for _ in range(2_000):
        centres: list[np.ndarray] = []
        while len(centres) < 6:
            centre = rng.integers(5, 70, 2)
            if all(((centre - other) ** 2).sum() >= 100 for other in centres):
                centres.append(centre)
        shapes = rng.integers(0, 2, 6)
        distances = ((np.array(centres)[:, None] - np.array(centres)[None]) ** 2).sum(-1)
        for one in range(6):
            others = np.delete(distances[one], one)
            itself += others.min() > 999
            wrong += others.min() > 999 and np.delete(shapes, one)[others.argmin()] != shapes[one]
            for end in (others.min(), others.max()):
                ties += len(set(np.delete(shapes, one)[others == end])) == 2
    assert itself / 12_000 == pytest.approx(0.066, abs=0.008)
    assert wrong / 12_000 == pytest.approx(0.032, abs=0.006)
    assert ties / 24_000 == pytest.approx(0.0014, abs=0.0007)


def test_few_items_are_those_of_the_first_images(items: tuple[Item, ...]) -> None:
    few, few_relational = SortOfCLEVR().open(7, 25)
    assert few.items == items[:60], "three images, whatever the seed"
    assert len(few_relational.items) == 30
    assert {len(suite.items) for suite in open_suites(["sort_of_clevr"], 0, 25)} == {25}
    assert SortOfCLEVR().open(0, 25, sealed=True)[0].items == SortOfCLEVR().open(1, None, sealed=True)[0].items[:60]
