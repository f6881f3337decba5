"""What differs between two settings of a run, and which of it a resumed run may take.

A setting may change if its field, or a field above it, is annotated with `MayChange`. Such settings say where and in
which portions a run computes, how fast it learns, and how often it saves. All others decide which data the steps see or
what is compared with what: another value in the middle of a run would leave figures that belong to no settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from visplay.config.settings import Settings
from visplay.errors import ConfigError
from visplay.interfaces.component import RESUMABLE


class Change(NamedTuple):
    """The values of a setting before and after a change, as JSON values; None: there was no such setting."""

    before: Any
    after: Any


def changed_settings(before: Settings, after: Settings) -> dict[str, Change]:
    """The changes by dotted key; a component of a list is named by its type, as in `silver.gates.band.low`."""
    return dict(_differences("", before.model_dump(mode="json"), after.model_dump(mode="json")))


def check_resumable(changes: Mapping[str, Change], settings: Settings) -> None:
    """Refuse, in one line, changes of settings that a run keeps from its beginning to its end.

    Args:
        settings: those after the changes.
    Raises:
        ConfigError: it names every such setting with both values.
    """
    kept = [
        f"{key} ({_short(was)}, now {_short(now)})"
        for key, (was, now) in changes.items()
        if not may_change(key, settings)
    ]
    if kept:
        raise ConfigError(
            f"a run keeps these settings from its beginning to its end: {', '.join(kept)}; put them back to resume it, "
            "or start a new run (docs/resuming.md lists what may change)"
        )


def may_change(key: str, settings: Settings) -> bool:
    """Whether a resumed run takes another value of a setting."""
    here: Any = settings
    for name in key.split("."):
        field = type(here).model_fields.get(name) if isinstance(here, BaseModel) else None
        if field is None or RESUMABLE in field.metadata:
            return field is not None
        here = getattr(here, name)
    return False


def words(changes: Mapping[str, Change]) -> str:
    """The changes on one line: `rl.learning_rate 0.003 → 1e-05, checkpoint_every 1 → 10`."""
    return ", ".join(f"{key} {_short(was)} → {_short(now)}" for key, (was, now) in changes.items())


def _differences(key: str, before: Any, after: Any) -> Iterator[tuple[str, Change]]:
    parts = _parts(before), _parts(after)
    if parts[0] is None or parts[1] is None or _kind(before) != _kind(after):
        if before != after:
            yield key, Change(before, after)
        return
    for name in dict.fromkeys([*parts[0], *parts[1]]):
        yield from _differences(f"{key}.{name}" if key else name, parts[0].get(name), parts[1].get(name))


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What a value is made of, by name: the entries of a mapping, or a list's components by their types."""
    if isinstance(value, list) and all(isinstance(each, dict) and "type" in each for each in value):
        parts = {each["type"]: each for each in value}
        return parts if len(parts) == len(value) else None
    return value if isinstance(value, Mapping) else None


def _kind(value: Any) -> Any:
    """What must be equal for two values to be compared part by part."""
    return [each["type"] for each in value] if isinstance(value, list) else value.get("type")


def _short(value: Any) -> str:
    if isinstance(value, dict) and "type" in value:
        value = value["type"]
    if isinstance(value, list):
        value = f"[{', '.join(map(_short, value))}]"
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= 60 else f"{text[:57]}..."
