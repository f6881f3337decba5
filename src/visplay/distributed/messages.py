"""What the processes of a run send each other: values as JSON, with bytes beside it.

A message can hold text, numbers, truth values, None, sequences, bytes, paths, settings, and the classes of `_RECORDS`.
It names no other class and no function. Python's pickle, which torch's collectives of objects use, runs what a message
names.

A message is two lines of JSON, which are the sizes of the bytes objects and the value, and then these bytes. An image
that many requests share is sent once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from visplay.config import Settings, check_settings
from visplay.data.augmentations import AugmentedImage
from visplay.data.made_images import MadeImage
from visplay.interfaces.engine import Sampling
from visplay.types import Completion, Group, ImageList, ImageRef, Request

_CLASS = "class"
_RECORDS: dict[str, Callable[..., object]] = {
    kind.__name__: kind for kind in (Completion, Group, Request, ImageRef, ImageList, AugmentedImage, MadeImage)
}


def encode(value: Any) -> bytes:
    """The message that `decode` reads; TypeError for a value that no message can hold."""
    places: dict[bytes, int] = {}
    text = json.dumps(value, default=lambda each: _as_json(each, places))
    return b"\n".join((json.dumps([*map(len, places)]).encode(), text.encode(), b"".join(places)))


def decode(message: bytes) -> Any:
    """The value of a message. Sequences inside of records are tuples, and all others are lists.

    Raises:
        ValueError: the message is not one that `encode` writes.
        ConfigError: this process cannot use the settings in the message.
    """
    sizes, text, data = message.split(b"\n", 2)
    parts, start = [], 0
    for size in json.loads(sizes):
        parts.append(data[start : start + size])
        start += size
    return json.loads(text, object_hook=lambda values: _from_json(values, parts))


def _as_json(value: Any, places: dict[bytes, int]) -> dict[str, Any]:
    """An object of JSON whose key `_CLASS` says what it is."""
    name, values = type(value).__name__, dict[str, Any]()
    if isinstance(value, bytes):
        name, values = "bytes", {"place": places.setdefault(value, len(places))}
    elif isinstance(value, Path):
        name, values = "Path", {"path": str(value)}
    elif isinstance(value, (Settings, Sampling)):
        # As text, because settings hold mappings of their own.
        values = {"values": json.dumps(value.model_dump(mode="json"))}
        if isinstance(value, Settings):  # no file of settings says so, but this process's command did
            values["trust_remote_code"] = value.trust_remote_code
    elif _RECORDS.get(name) is type(value):
        values = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
    else:
        raise TypeError(f"processes of a run do not send each other a {name}")
    return {_CLASS: name, **values}


def _from_json(values: dict[str, Any], parts: list[bytes]) -> Any:
    match values.pop(_CLASS, None):
        case "bytes":
            return parts[values["place"]]
        case "Path":
            return Path(values["path"])
        case "Settings":
            trusted = values["trust_remote_code"]
            return check_settings(json.loads(values["values"]), "the settings of the run", trust_remote_code=trusted)
        case "Sampling":
            return Sampling.model_validate(json.loads(values["values"]))
        case name if name in _RECORDS:
            # Lists of JSON are the tuples that make records hashable.
            return _RECORDS[name](**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
        case name:
            raise ValueError(f"a message between processes holds {name or 'a mapping'}, which none can hold")
