"""Any labelled questions: a file of {"image": …, "question": …, "answer": …} lines.

    image     path of a picture, relative to the file
    question  text
    answer    text or a number; with choices, an option's letter or text
    choices   optional, two to 26 texts or numbers
    id        optional, text or a whole number; without it, the line's number
    type      optional, text; the item's kind

A row that cannot be used is skipped and reported with its line and the reason. Blank lines
are no rows. Left out: other formats.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from visplay.evaluation.errors import EvaluationError
from visplay.evaluation.options import LETTERS, named_option
from visplay.records import Item, Picture, Suite


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that was left out; `line` counts from 1."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class JsonlSuite:
    """The usable rows of a file, in order, and the others."""

    suite: Suite
    skipped: tuple[SkippedRow, ...]


def read_jsonl(path: Path) -> JsonlSuite:
    """Read a suite named after the file; every picture is decoded once, to see that it can be.

    Raises:
        EvaluationError: no such file, or not one usable row in it.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise EvaluationError(f"cannot read {path}: {error.strerror}; name a JSON Lines file") from None
    # Many questions share a picture.
    trouble_with = cache(_trouble)
    items: dict[str, Item] = {}
    skipped: list[SkippedRow] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = _item(_row(line), number, path, trouble_with)
            if item.id in items:
                raise _RowError(f"id '{item.id}' was used by an earlier row")
            items[item.id] = item
        except _RowError as error:
            skipped.append(SkippedRow(number, str(error)))
    if not items:
        first = f"; {skipped[0]}" if skipped else ""
        raise EvaluationError(
            f"{path} has no usable row ({len(skipped)} skipped{first}); "
            'each line must be like {"image": "a.png", "question": "…", "answer": "…"}'
        )
    return JsonlSuite(Suite(path.stem, tuple(items.values())), tuple(skipped))


class _RowError(ValueError):
    """Why a row cannot be used."""


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise _RowError("not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise _RowError(f"not valid JSON ({' '.join(str(error).split())})") from None
    if not isinstance(row, dict):
        raise _RowError("not a JSON object")
    missing = [key for key in ("image", "question", "answer") if key not in row]
    if missing:
        raise _RowError(f"no {', '.join(missing)}")
    return row


def _item(row: dict[str, Any], number: int, path: Path, trouble_with: Callable[[Picture], str | None]) -> Item:
    item = Item(
        id=f"{path.stem}/{_text(row, 'id', numbers=True) if row.get('id') is not None else f'line-{number}'}",
        picture=Picture(f"{path.stem}/{_text(row, 'image')}", path.parent / _text(row, "image")),
        question=_text(row, "question"),
        answer=_text(row, "answer", numbers=True),
        kind=_text(row, "type") if row.get("type") is not None else "",
    )
    if row.get("choices") is not None:
        item = replace(item, choices=_choices(row["choices"]))
        if named_option(item.answer, item.choices) is None:
            raise _RowError(f"answer '{item.answer}' is none of the choices, nor the letter of one")
    trouble = trouble_with(item.picture)
    if trouble:
        raise _RowError(f"cannot read image {row['image']} ({trouble})")
    return item


def _choices(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 2 <= len(value) <= len(LETTERS):
        raise _RowError(f"choices must be a list of 2 to {len(LETTERS)}")
    choices = tuple(_text({"choices": choice}, "choices", numbers=True) for choice in value)
    if len({choice.casefold() for choice in choices}) < len(choices):
        raise _RowError("choices must differ from one another")
    return choices


def _text(row: dict[str, Any], key: str, numbers: bool = False) -> str:
    value = row[key]
    if numbers and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    if not isinstance(value, str):
        raise _RowError(f"{key} must be text{' or a number' if numbers else ''}")
    if not value.strip():
        raise _RowError(f"{key} is blank")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _RowError(f"{key} holds half a surrogate pair, which is no character") from None
    return value.strip()


def _trouble(picture: Picture) -> str | None:
    """Why `picture` cannot be decoded, None when it can."""
    try:
        picture.load()
    except FileNotFoundError:
        return "no such file"
    # On broken bytes decoders raise whatever they run into: OSError, SyntaxError, struct.error, …
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return None
