"""The suite `file`: labelled questions of the user's own, in the forms that docs/evaluation.md describes.

A row that cannot be used is skipped and reported with its place and the reason. Blank lines are no rows.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import IO, Any, AnyStr, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError
from pydantic_core import from_json

from visplay.errors import EvaluationError, ImageError, one_line, visible
from visplay.evaluation.grading import LETTERS
from visplay.evaluation.labelled.columns import Columns
from visplay.evaluation.labelled.items import ItemReader
from visplay.images.budget import available_memory
from visplay.images.decode import examine
from visplay.images.files import open_regular, read_regular
from visplay.interfaces.component import problems
from visplay.interfaces.suite import SuiteSource
from visplay.types import AnswersAre, ImageRef, Item, Suite

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LONGEST_LINE = 2**28  # characters; a row may hold images in base64
_LONGEST_NAME = 60  # characters of a row's name
_LONGEST_REASON = 500  # characters of why a row is skipped
_ROWS_AT_ONCE = 64
_MEMORY_OF_JSON = 24  # bytes of Python's objects for a byte of JSON, at most
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_IMAGE_MARK = re.compile(r"\s{0,99}<image ?\d*>\s*")  # bounded: a million blanks would take hours


class LabelledFile(SuiteSource, type="file"):
    """The usable rows of a labelled file: JSON, JSON Lines, CSV, TSV or Parquet."""

    path: Path = Field(description="the file; docs/evaluation.md describes its columns")
    columns: dict[str, str] = Field({}, description="columns of other names, such as {question: prompt, answer: label}")
    answers_are: AnswersAre | None = Field(
        None, description="what an answer beside options is; index counts from 0, number from 1; null: by its looks"
    )

    def open(self, seed: int, items: int | None, sealed: bool = False) -> tuple[Suite, ...]:
        return (read_labelled(self.path, self.columns, self.answers_are).suite,)

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The usable rows of a file, in order; and for each skipped row its place and the reason."""

    suite: Suite
    skipped: tuple[str, ...]


def read_labelled(
    path: Path, columns: Mapping[str, str] | None = None, answers_are: AnswersAre | None = None
) -> Labelled:
    """Read a suite named after the file; every image is decoded once, to see that it can be.

    Args:
        columns: names of columns by what they hold (`question`, `answer`, `image`, `choices`, `id`, `type`), where they
            are none of the usual ones.
        answers_are: how an answer names one of several options, where that is ambiguous.
    Raises:
        EvaluationError: the file cannot be read, has no known format, or has no usable row.
        ConfigError: `columns` maps something else.
    """
    usable = cache(_usable)  # many questions share an image
    typed = path.suffix.lower() not in _DELIMITERS
    reader = ItemReader(path, Columns.of(columns or {}), answers_are, typed, usable)
    items: dict[str, Item] = {}
    skipped = []
    try:
        for place, row in _rows(path, reader.columns):
            try:
                item = reader.item(row, place)
                if item.id in items:
                    raise ValueError(f"id '{item.id}' was used by an earlier row")
                items[item.id] = item
            except ValueError as error:
                reason = problems(error) if isinstance(error, ValidationError) else str(error)
                skipped.append(f"{place}: {visible(reason[:_LONGEST_REASON])}")
    except (OSError, pa.ArrowException, csv.Error, UnicodeError, ImageError) as error:
        raise EvaluationError(f"cannot read {path}: {visible(one_line(error))}") from None
    if not items:
        first = f"; {skipped[0]}" if skipped else ""
        raise EvaluationError(
            f"{path} has no usable row ({len(skipped)} skipped{first}); "
            'each must be like {"image": "a.png", "question": "…", "answer": "…"}'
        )
    return Labelled(Suite(visible(path.stem), tuple(items.values())), tuple(skipped))


def without_marks(question: str) -> str:
    """The question without `<image 1>` and the like, for images that are shown before the text."""
    return _IMAGE_MARK.sub(" ", question).strip() or question


def _rows(path: Path, columns: Columns) -> Iterator[tuple[str, bytes | dict[str, Any] | ValueError]]:
    """Where each row stands, such as "line 3", and its JSON or its cells; or why it has none."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        found = _json_rows(read_regular(path))
        yield from _json_lines(path) if found is None else found
    elif suffix in (".jsonl", ".ndjson"):
        yield from _json_lines(path)
    elif suffix in _DELIMITERS:
        csv.field_size_limit(_LONGEST_LINE)  # an image may be a cell
        with open_regular(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(_lines(file), delimiter=_DELIMITERS[suffix], strict=True)
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    count = len(reader.fieldnames or ())
                    yield f"row {number}", ValueError(f"not {count} cells, as the first line has")
                else:
                    yield f"row {number}", {name: cell for name, cell in row.items() if cell.strip() or name in LETTERS}
    elif suffix == ".parquet":
        with open_regular(path) as file:
            yield from ((f"row {number}", row) for number, row in enumerate(_parquet_rows(file, columns), start=1))
    else:
        raise EvaluationError(
            f"cannot read {path}: its name ends in none of .jsonl, {', '.join(_DELIMITERS)}, .parquet, .json, .ndjson"
        )


def _json_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with open_regular(path) as file:
        for number, line in enumerate(_lines(file), start=1):
            line = line if number > 1 else line.removeprefix(_BYTE_ORDER_MARK)
            if line.strip():
                yield f"line {number}", line


def _json_rows(content: bytes) -> Iterator[tuple[str, Any]] | None:
    """The rows of a list, of a list under `data`, or of a mapping from ids to rows; None for several JSON values."""
    content = content.removeprefix(_BYTE_ORDER_MARK).strip()
    if len(content) * _MEMORY_OF_JSON > available_memory():
        raise ImageError(f"{len(content)} bytes of JSON are too many at once; write the rows as JSON Lines")
    try:
        found = from_json(content)
    except ValueError as error:
        if content.startswith(b"{"):
            return None
        raise ImageError(f"Invalid JSON: {error}") from None
    if isinstance(found, dict):
        if isinstance(found.get("data"), list):
            found = found["data"]
        elif found and all(isinstance(row, dict) for row in found.values()):
            return ((f"row {visible(name[:_LONGEST_NAME])}", {"id": name, **row}) for name, row in found.items())
        else:
            found = [found]
    rows = found if isinstance(found, list) else [found]
    return ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _lines(file: IO[AnyStr]) -> Iterator[AnyStr]:
    """Lines with their ends; a csv.Error for one that is too long to be a row, which is read no further."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"a line of more than {_LONGEST_LINE} characters")
        yield line


def _parquet_rows(file: BinaryIO, known: Columns) -> Iterator[dict[str, Any] | ValueError]:
    """The values of known columns that are not null. Others are not read: what they hold may not fit Python's types."""
    table = pq.ParquetFile(file)
    columns = [name for name in table.schema_arrow.names if known.reads(name)]
    if not columns:
        raise pa.ArrowInvalid("it has no column image, question or answer")
    # The sizes of single columns cannot be asked for: pyarrow ends the process where they are damaged.
    needed = sum(table.metadata.row_group(place).total_byte_size for place in range(table.num_row_groups))
    if needed > available_memory():
        raise pa.ArrowMemoryError(f"its rows need {needed} bytes of memory, and {available_memory()} are free")
    classes = _classes(table.schema_arrow.metadata or {})
    for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns):
        for place in range(batch.num_rows):
            try:
                (row,) = batch.slice(place, 1).to_pylist()
                row |= {name: _of_class(row[name], labels) for name, labels in classes.items() if name in row}
                yield {name: value for name, value in row.items() if value is not None or name in LETTERS}
            except (ValueError, OverflowError, pa.ArrowException) as error:  # such as a date after the year 9999
                yield ValueError(f"cannot be read: {one_line(error)}")


def _classes(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The names of classes by column, where `datasets` stored numbers of them."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {name: kind["names"] for name, kind in features.items() if kind.get("_type") == "ClassLabel"}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _of_class(value: Any, labels: Any) -> Any:
    known = isinstance(value, int) and isinstance(labels, list) and 0 <= value < len(labels)
    return labels[value] if known else value


def _usable(image: ImageRef) -> ImageRef | str:
    """The image with its content; or why it cannot be used."""
    try:
        return replace(image, content=examine(image.data))
    except ImageError as error:
        return str(error)
