"""One record from several of the same image: what enough of them say.

Each record is taken apart into single statements, such as ("things", 2, "row") → 7. What a statement is about has the
same name in all records: things are aligned by their name, attributes and place, and all else goes by its key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from visplay.labeling.records.phrases import denies
from visplay.labeling.records.schema import RECORD, STEPS, Record, Scene, Thing

Path = tuple[Any, ...]
"""Where a value of a record is: ("things", 2, "attributes", "color")."""

_LISTS = ("things", "series", "parts", "rows", "texts", "absent", "complete")
_STEPPED = ("row", "column", "size")
_ENOUGH = 1e-9  # of rounding in a share


@dataclass(frozen=True, slots=True)
class Settled:
    """What several records of an image say together.

    Attributes:
        record: what at least the wanted share of the records says; None where they agree on no kind.
        records: the single records, None for those that could not be read.
        confidence: the share of the records that say it, by the path of a value of `record`.
        contradicted: phrases that some records deny and others name; they are neither seen nor denied.
    """

    record: Record | None
    records: tuple[Record | None, ...]
    confidence: Mapping[Path, float] = field(default_factory=dict)
    contradicted: tuple[str, ...] = ()


def settle(records: Sequence[Record | None], share: float = 0.75) -> Settled:
    """What at least `share` of the records say; a record that could not be read, None, says nothing.

    The order of the records does not matter. Rows, columns and sizes that differ by one step are equal. A kind is
    complete only if no thing was left out, and a count that is not settled is "several".
    """
    needed = share * len(records) - _ENOUGH
    read = sorted((record for record in records if record is not None), key=lambda record: record.model_dump_json())
    kinds = Counter(record.kind for record in read)
    kind = max(kinds, key=lambda kind: (kinds[kind], kind), default=None)
    if kind is None or kinds[kind] < needed:
        return Settled(None, tuple(records))
    alike = [record for record in read if record.kind == kind]
    said: dict[Path, list[Any]] = {}
    for record, slots in zip(alike, _slots(alike), strict=True):
        for path, value in _statements(record, slots).items():
            said.setdefault(path, []).append(value)
    agreed = {path: _agreed(path, values) for path, values in said.items()}
    kept = {path: value for path, (value, number) in agreed.items() if number >= needed}
    # The default of a count is 1, which would be a claim.
    kept |= {path: "several" for path in agreed.keys() - kept.keys() if path[0] == "things" and path[2:] == ("count",)}
    kept = {path: kept[path] for path in agreed if path in kept}
    contradicted = _leave_out_contradictions(kept, alike)
    if any(path[0] in ("things", "parts") and len(path) == 2 and path not in kept for path in agreed):
        kept = {path: value for path, value in kept.items() if path[0] != "complete"}
    value, places = _nested(kept)
    confidence = {place: agreed[path][1] / len(records) for path, place in places.items()}
    return Settled(RECORD.validate_python({"kind": kind, **value}), tuple(records), confidence, contradicted)


def _statements(record: Record, slots: Sequence[int]) -> dict[Path, Any]:
    """What a record says, by path; an element of a list goes by a name in place of its number.

    Args:
        slots: the names of its things.
    """
    said: dict[Path, Any] = {}
    for key, value in record.model_dump(exclude_defaults=True).items():
        if key not in _LISTS:
            said |= _leaves((key,), value)
            continue
        seen: Counter[Any] = Counter()
        for place, one in enumerate(value):
            own = _own_name(key, one)
            name = slots[place] if key == "things" else (own, seen[own])
            seen[own] += 1
            said[key, name] = True if isinstance(one, dict) else one
            said |= {(key, name, "count"): 1} if key == "things" else {}
            said |= _leaves((key, name), one) if isinstance(one, dict) else {}
    return said


def _own_name(key: str, element: Any) -> Any:
    if key == "parts":
        return element["name"], element.get("label", "")
    return element.get("name", "") if isinstance(element, dict) else element


def _leaves(path: Path, value: Any) -> dict[Path, Any]:
    if not isinstance(value, dict):
        return {path: value}
    return {place: leaf for key, one in value.items() for place, leaf in _leaves((*path, key), one).items()}


def _agreed(path: Path, values: Sequence[Any]) -> tuple[Any, int]:
    """What most of the values are, and how many of them."""
    if path[0] == "things" and path[2:] in {(name,) for name in _STEPPED}:
        middle = sorted(values)[(len(values) - 1) // 2]
        return middle, sum(abs(value - middle) <= 1 for value in values)
    counted = Counter(values)
    value = min(counted, key=lambda value: (-counted[value], repr(value)))
    # Things of one slot have the same name but for its case.
    return value, len(values) if path[0] == "things" and path[2:] == ("name",) else counted[value]


def _leave_out_contradictions(kept: dict[Path, Any], records: Iterable[Record]) -> tuple[str, ...]:
    """Take from `kept` what some records deny and others name; the phrases that deny it."""
    scenes = [record for record in records if isinstance(record, Scene)]
    phrases = sorted({phrase for scene in scenes for phrase in scene.absent})
    found = tuple(p for p in phrases if any(denies(p, t.name, t.attributes) for s in scenes for t in s.things))
    for path in [path for path in kept if path[0] == "absent" and kept[path] in found]:
        del kept[path]
    for path in [path for path in kept if path[0] == "things" and len(path) == 2]:
        attributes = {where[3]: value for where, value in kept.items() if where[:3] == (*path, "attributes")}
        if any(denies(phrase, kept[*path, "name"], attributes) for phrase in found):
            for where in [where for where in kept if where[:2] == path]:
                del kept[where]
    return found


def _nested(kept: Mapping[Path, Any]) -> tuple[dict[str, Any], dict[Path, Path]]:
    """The settled statements as a record's values, and where each of them is there."""
    value: dict[str, Any] = {}
    places: dict[Path, Path] = {}
    for path, said in kept.items():
        above: Any = value
        if path[0] in _LISTS:
            elements = value.setdefault(path[0], [])
            if len(path) == 2:
                places[path] = path[0], len(elements)
                elements.append(({"values": {}} if path[0] == "series" else {}) if said is True else said)
                continue
            if path[:2] not in places:  # a value of what is not settled itself
                continue
            above = elements[places[path[:2]][1]]
            places[path] = (*places[path[:2]], *path[2:])
        else:
            places[path] = path
        *inner, last = path[2:] if path[0] in _LISTS else path
        for key in inner:
            above = above.setdefault(key, {})
        above[last] = said
    return value, places


def _slots(records: Sequence[Record]) -> list[list[int]]:
    """A number for each thing of each record; things of two records with the same number are the same thing."""
    seen: list[list[Thing]] = []
    found: list[list[int]] = [[] for _ in records]
    things = [record.things if isinstance(record, Scene) else () for record in records]
    # The longest record first, because it tells apart the most things.
    for place in sorted(range(len(records)), key=lambda place: -len(things[place])):
        slots = _matched(things[place], seen)
        for thing, slot in zip(things[place], slots, strict=True):
            found[place].append(len(seen) if slot is None else slot)
            if slot is None:
                seen.append([thing])
            else:
                seen[slot].append(thing)
    return found


def _matched(things: Sequence[Thing], seen: Sequence[Sequence[Thing]]) -> list[int | None]:
    """For each thing, the one of the same name that it is most like; no two are the same."""
    slots: list[int | None] = [None] * len(things)
    for name in {thing.name.casefold() for thing in things}:
        here = [place for place, thing in enumerate(things) if thing.name.casefold() == name]
        there = [slot for slot, (first, *_) in enumerate(seen) if first.name.casefold() == name]
        costs = [[np.mean([_unlike(things[place], one) for one in seen[slot]]) for slot in there] for place in here]
        for row, column in zip(*linear_sum_assignment(np.array(costs).reshape(len(here), len(there))), strict=True):
            slots[here[row]] = there[column]
    return slots


def _unlike(one: Thing, other: Thing) -> float:
    """How unlike two things of one name are; what only one of both says counts for half."""
    cost = float(bool(one.text and other.text) and one.text != other.text)
    for key in one.attributes.keys() | other.attributes.keys():
        both = key in one.attributes and key in other.attributes
        cost += float(one.attributes[key] != other.attributes[key]) if both else 0.5
    for key in _STEPPED:
        here, there = getattr(one, key), getattr(other, key)
        cost += 0.5 if (here is None) != (there is None) else abs((here or 0) - (there or 0)) * 3 / STEPS
    return cost
