"""Single values of a row: what is none, what is a list written as text, what a scalar is as text."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any


def is_absent(value: Any) -> bool:
    """Whether a value says nothing: no such column, null, the NaN of a table, or blank text."""
    return value is None or value is ... or value != value or (isinstance(value, str) and not value.strip())


def listed(value: Any) -> Any:
    """A list or a mapping that is written as text, as JSON or as Python does; any other value as it is."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        for read in (json.loads, ast.literal_eval):
            with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # TypeError: `[{[]: 1}]`
                found = read(value.strip())
                return found if isinstance(found, list | dict) else value
    return value


def as_text(value: Any, column: str) -> str:
    """Text without space around it, or the digits of a number; ValueError for anything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise ValueError(f"{column}: Input should be a valid string")


def whole_number(value: Any) -> int | None:
    """The whole number that a value is, or is written as: 1, 1.0, "1"; None for anything else."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1000:
        return int(value)
    text = value.strip() if isinstance(value, str) else ""
    if len(text) <= 3 and text.isascii() and text.isdigit():
        return int(text)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def distinct(values: Iterable[Any]) -> list[Any]:
    """The values in order, each once."""
    return list(dict.fromkeys(values))
