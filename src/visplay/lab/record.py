"""Records: lists of all things of an image with row, column and size, as text, such as "red circle 3 7 2"."""

from __future__ import annotations

import re

from visplay.lab.scene import COLORS, SHAPES, STEPS, Scene, Thing, area_of_step

_ENTRY = re.compile(rf"({'|'.join(COLORS)}) ({'|'.join(SHAPES)}) (\d) (\d) (\d)")


def describe(thing: Thing) -> str:
    """An entry of a record: colour, shape, row, column and size."""
    return f"{thing.color} {thing.shape} {thing.row} {thing.column} {thing.size}"


def read_record(text: str) -> Scene | None:
    """The scene that a record describes, each thing in the middle of its cell; None if the text is no record."""
    entries = [_ENTRY.fullmatch(part.strip()) for part in text.lower().split(",")]
    things = []
    for entry in entries:
        if entry is None:
            return None
        color, shape, *digits = entry.groups()
        row, column, size = map(int, digits)
        side = area_of_step(shape, size) ** 0.5 / 2
        things.append(Thing(color, shape, (column + 0.5) / STEPS, (row + 0.5) / STEPS, side, side))
    return Scene(tuple(things))


def things_right(given: str, wanted: str) -> int:
    """How many things of a true record are described rightly: colour and shape, and each digit within one step."""
    left = [_ENTRY.fullmatch(part.strip()) for part in given.lower().split(",")]
    right = 0
    for part in wanted.split(","):
        true = _ENTRY.fullmatch(part.strip())
        for entry in left:
            if entry and true and _close(entry, true):
                left.remove(entry)
                right += 1
                break
    return right


def same_record(given: str, wanted: str) -> bool:
    """Whether a record describes all things of a true one rightly, in any order, and no others."""
    things = len(wanted.split(","))
    return len(given.split(",")) == things == things_right(given, wanted)


def _close(entry: re.Match[str], true: re.Match[str]) -> bool:
    digits = zip(entry.groups()[2:], true.groups()[2:], strict=True)
    return entry.groups()[:2] == true.groups()[:2] and all(abs(int(a) - int(b)) <= 1 for a, b in digits)
