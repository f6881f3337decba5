"""A record from what the Reasoner wrote: JSON by the schema, or phrases.

JSON that is broken is repaired, and what the schema refuses is left out, value by value. Both are counted. What was
lost was perhaps the one thing that mattered, so only a record that is read without a loss lists a kind completely.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from json_repair import repair_json
from pydantic import ValidationError

from visplay.answers import extract_boxed, reply
from visplay.answers.text import singular
from visplay.labeling.records.phrases import attributes_of, count_of, denies, read_phrase, read_phrases
from visplay.labeling.records.schema import RECORD, Diagram, Record, Scene, Thing

Form = Literal["clean", "repaired", "unreadable"]

_LONGEST = 20_000  # characters of a record; the rest is cut off
# Repair takes time that grows with length times depth; no record is this deep.
_DEEPEST = 16
_ROUNDS = 6  # of leaving values out, from the innermost
_BEGINS = re.compile(r"(?:\[\s*)?\{(?=\s*[\"'“}])")
_KEYS = {"things": "scene", "series": "chart", "parts": "diagram", "fields": "document", "rows": "document"}
_KEYS |= {"texts": "document", "absent": "scene"}
_FIGURE = re.compile(r"[$€£¥]?\s?([-+]?\d[\d,]*(?:\.\d+)?)\s?%?")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says is on an image.

    Attributes:
        text: what was written.
        record: None if it is unreadable.
        form: "repaired" if the text had to be repaired or values of it were left out.
        dropped: values that were left out.
    """

    text: str
    record: Record | None = None
    form: Form = "unreadable"
    dropped: int = 0


def read_record(text: str, complete: Sequence[str] = (), finished: bool = True) -> Reading:
    """The record in a text: in a box, in a code fence or plain, after the thought. Never raises.

    JSON and phrases ("red circle 3 7 2, no people", see `phrases`) are read. The time is linear in the length of
    `text`.

    Args:
        complete: kinds of which the model's phrases always list all things.
        finished: the model ended the text itself. If not, the last thing is left out.
    """
    said = reply(text)
    if said is None:
        return Reading(text)
    body = (extract_boxed(said) or said).strip()
    whole = finished and len(body) <= _LONGEST
    body = body[:_LONGEST]
    begin = _BEGINS.search(body)
    if begin:
        return _from_json(text, body[begin.start() :], whole)
    if not whole:
        body = body.rpartition(",")[0]
    read = read_phrases(body.strip("`[] \n"))
    if read is None:
        return Reading(text)
    scene, dropped = read
    scene, contradictory = _consistent(scene)
    if whole and not dropped and not contradictory:
        return Reading(text, scene.model_copy(update={"complete": tuple(complete)}), "clean")
    return Reading(text, scene, "repaired", dropped + contradictory)


def _from_json(text: str, body: str, whole: bool) -> Reading:
    if _depth(body) > _DEEPEST:
        return Reading(text)
    try:
        value, repaired = json.JSONDecoder(object_pairs_hook=_without_repetitions).raw_decode(body)[0], False
    except (ValueError, RecursionError):
        value, repaired = _repaired(body if whole else body[: body.rfind("}") + 1]), True
    record, dropped = _valid(_prepared(value))
    if record is None:
        return Reading(text)
    if isinstance(record, Scene):
        record, contradictory = _consistent(record)
        dropped += contradictory
    if not repaired and not dropped:
        return Reading(text, record, "clean")
    if record == type(record)():  # nothing is left
        return Reading(text)
    if isinstance(record, Scene | Diagram):
        record = record.model_copy(update={"complete": ()})
    return Reading(text, record, "repaired", dropped)


def _depth(text: str) -> int:
    depth = deepest = 0
    for sign in re.findall(r"[\[{}\]]", text):
        depth = depth + 1 if sign in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _without_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping; lists under one key are joined. Of two other values under one key neither can be trusted."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if isinstance(found.get(key), list) and isinstance(value, list):
            found[key] += value
        else:
            found[key] = value if found.get(key, value) == value else _REFUSED
    return found


_REFUSED: Any = object()  # no schema takes it


def _repaired(body: str) -> Any:
    try:
        return repair_json(body, return_objects=True, skip_json_loads=True)
    except Exception:  # whatever the library makes of a text that nobody foresaw, the text is no record
        return None


def _prepared(value: Any) -> Any:
    """A value nearer to the schema: with a kind, with counts, and with figures for texts such as "41 %"."""
    if isinstance(value, list):
        value = {"kind": "scene", "things": value}
    if not isinstance(value, dict):
        return None
    kind = value.get("kind", next((_KEYS[key] for key in value if key in _KEYS), None))
    value = value | {"kind": kind.lower() if isinstance(kind, str) else kind}
    if value["kind"] == "scene":
        return _scene(value)
    for series in _list(value.get("series")):
        if isinstance(series, dict) and isinstance(series.get("values"), dict):
            series["values"] = {label: _figure(figure) for label, figure in series["values"].items()}
    return value


def _scene(value: dict[str, Any]) -> dict[str, Any]:
    """A scene whose things are mappings with a count of one or more; other things are denied."""
    things: list[Any] = []
    absent = _list(value.get("absent"))
    for given in _list(value.get("things")):
        found = read_phrase(given.lower()[:200]) if isinstance(given, str) else []
        things += [one.model_dump() for one in found if isinstance(one, Thing)]
        absent = absent + [one for one in found if isinstance(one, str)]
        if isinstance(given, dict):
            given = _counted(given)
            if given["count"] == 0:
                absent = [*absent, _described(given.get("name"), given.get("attributes"))]
                continue
        if not found:
            things.append(given)
    return value | {"things": things, "absent": absent, "complete": _list(value.get("complete"))}


def _consistent(scene: Scene) -> tuple[Scene, int]:
    """The scene without what it both names and denies, which it does not know; and how much that is."""
    both = {p: [t for t in scene.things if denies(p, t.name, t.attributes)] for p in scene.absent}
    denied = [thing for found in both.values() for thing in found]
    if not denied:
        return scene, 0
    things = tuple(thing for thing in scene.things if thing not in denied)
    absent = tuple(phrase for phrase in scene.absent if not both[phrase])
    return scene.model_copy(update={"things": things, "absent": absent}), len(scene.absent) - len(absent)


def _described(name: Any, attributes: Any) -> Any:
    """The phrase of a thing, its attributes before its name, in lower case; None for what is no thing."""
    words = [*attributes.values(), name] if isinstance(attributes, dict) else [name]
    return " ".join(" ".join(words).lower().split()) if all(isinstance(word, str) for word in words) else None


def _counted(thing: dict[str, Any]) -> dict[str, Any]:
    name, attributes = thing.get("name"), thing.get("attributes")
    if isinstance(attributes, str):
        attributes = attributes.split(",")
    if isinstance(attributes, list):
        thing = thing | {
            "attributes": attributes_of([word.strip().lower() for word in attributes if isinstance(word, str)])
        }
    if thing.get("count") is not None:
        return thing | {"count": count_of(thing["count"])}
    one = singular(name.lower()) if isinstance(name, str) else name
    if not isinstance(name, str) or one == name.lower():
        return thing | {"count": 1}
    return thing | {"name": one, "count": "several"}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _figure(value: Any) -> Any:
    found = _FIGURE.fullmatch(value.strip()[:40]) if isinstance(value, str) else None
    return float(found[1].replace(",", "")) if found else value


def _valid(value: Any) -> tuple[Record | None, int]:
    """The record without the values that the schema refuses, and their number; None if nothing is left."""
    dropped = 0
    for _ in range(_ROUNDS):
        try:
            return RECORD.validate_python(value), dropped
        except ValidationError as error:
            places = {_place(value, problem["loc"][1:]): problem for problem in error.errors(include_url=False)}
        if () in places:
            break
        # The last of a list first, so that the places of the others stay.
        for place in sorted(places, key=lambda place: [(str(type(key)), key) for key in place], reverse=True):
            dropped += _leave_out(value, place, places[place])
    return None, dropped


def _place(value: Any, path: Sequence[Any]) -> tuple[Any, ...]:
    """The part of a path that there is: that of a thing for a name that it lacks."""
    place: list[Any] = []
    for key in path:
        inside = isinstance(value, dict) and key in value
        inside = inside or (isinstance(value, list) and isinstance(key, int) and key < len(value))
        if not inside:
            break
        value = value[key]
        place.append(key)
    return tuple(place)


def _leave_out(value: Any, place: tuple[Any, ...], problem: Any) -> int:
    *above, key = place
    for step in above:
        value = value[step]
    found = value[key]
    if problem["type"] == "too_long" and isinstance(found, list | dict):
        most: int = problem["ctx"]["max_length"]
        value[key] = found[:most] if isinstance(found, list) else dict(list(found.items())[:most])
        return len(found) - most
    if isinstance(value, list) and above[0] in ("rows", "header") and not (above[0] == "rows" and len(above) == 1):
        value[key] = ""  # the other cells stay in their columns
    else:
        del value[key]
    return 1
