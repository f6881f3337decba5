"""The suite `file`: labelled questions of the user's own, in the columns that docs/evaluation.md describes.

A row that cannot be used is skipped and reported with its place and the reason. Blank lines are no rows.
"""

from __future__ import annotations

import ast
import base64
import binascii
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path
from typing import IO, Annotated, Any, AnyStr, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from visplay.errors import EvaluationError, ImageError, one_line, visible
from visplay.evaluation.grading import LETTERS, named_option
from visplay.images.budget import available_memory
from visplay.images.decode import examine
from visplay.images.files import open_regular
from visplay.interfaces.component import problems
from visplay.interfaces.suite import SuiteSource
from visplay.types import ImageList, ImageRef, Item, Suite

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_SHORT = 64  # characters; no image is so few in base64
_LONGEST_LINE = 2**28  # characters; a row may hold images in base64
_LONGEST_REASON = 500  # characters of why a row is skipped
_ROWS_AT_ONCE = 64
_COLUMN = re.compile(r"image|image_path|images|image_\d+|question|answer|choices|options|[A-Z]|id|index|type|category")
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,")
_IMAGE_MARK = re.compile(r"\s{0,99}<image ?\d*>\s*")  # bounded: a million blanks would take hours


class LabelledFile(SuiteSource, type="file"):
    """The usable rows of a labelled file: JSON Lines, CSV, TSV or Parquet."""

    path: Path = Field(description="the file; docs/evaluation.md describes its columns")

    def open(self, seed: int, items: int | None, sealed: bool = False) -> tuple[Suite, ...]:
        return (read_labelled(self.path).suite,)

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The usable rows of a file, in order; and for each skipped row its place and the reason."""

    suite: Suite
    skipped: tuple[str, ...]


def _listed(value: Any) -> Any:
    """A list written as text, as JSON or as Python does; any other value as it is."""
    if isinstance(value, str) and value.startswith("["):
        for read in (json.loads, ast.literal_eval):
            with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # TypeError: `[{[]: 1}]`
                return read(value)
    return value


class _Row(BaseModel):
    """A row, in any of the known columns; a number becomes its text."""

    model_config = {"coerce_numbers_to_str": True, "str_strip_whitespace": True, "str_min_length": 1}

    images: Annotated[list[Any], BeforeValidator(_listed)] = Field(validation_alias=AliasChoices("images", "one"))
    question: str
    answer: str
    choices: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        validation_alias=AliasChoices("choices", "options", "lettered")
    )
    id: str | None = Field(None, validation_alias=AliasChoices("id", "index"))
    type: str | None = Field(None, validation_alias=AliasChoices("type", "category"))

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row: Any) -> Any:
        """MMMU has several images in `image_1`, …, and VLMEvalKit has choices in `A`, `B`, …."""
        if not isinstance(row, dict):
            return row
        images = [row[name] for name in ("image", "image_path") if name in row][:1]
        numbered = sorted((name for name in row if re.fullmatch(r"image_\d+", name)), key=lambda name: int(name[6:]))
        lettered = [row[letter] for letter in takewhile(row.__contains__, LETTERS)]
        return {"one": images or [row[name] for name in numbered], "lettered": lettered} | row


def read_labelled(path: Path) -> Labelled:
    """Read a suite named after the file; every image is decoded once, to see that it can be.

    Raises:
        EvaluationError: the file cannot be read, has no known format, or has no usable row.
    """
    usable = cache(_usable)  # many questions share an image
    items: dict[str, Item] = {}
    skipped = []
    try:
        for place, row in _rows(path):
            try:
                item = _item(row, place, path, usable)
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
    """The question without `<image 1>` and the like: images are shown before the text."""
    return _IMAGE_MARK.sub(" ", question).strip() or question


def _rows(path: Path) -> Iterator[tuple[str, bytes | dict[str, Any] | ValueError]]:
    """Where each row stands, such as "line 3", and its JSON or its cells that are not blank; or why it has none."""
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        with open_regular(path) as file:
            for number, line in enumerate(_lines(file), start=1):
                line = line if number > 1 else line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    yield f"line {number}", line
    elif suffix in _DELIMITERS:
        csv.field_size_limit(_LONGEST_LINE)  # an image may be a cell
        with open_regular(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(_lines(file), delimiter=_DELIMITERS[suffix], strict=True)
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    count = len(reader.fieldnames or ())
                    yield f"row {number}", ValueError(f"not {count} cells, as the first line has")
                else:
                    yield f"row {number}", {name: cell for name, cell in row.items() if cell.strip()}
    elif suffix == ".parquet":
        with open_regular(path) as file:
            yield from ((f"row {number}", row) for number, row in enumerate(_parquet_rows(file), start=1))
    else:
        raise EvaluationError(
            f"cannot read {path}: its name ends in none of .jsonl, {', '.join(_DELIMITERS)}, .parquet"
        )


def _lines(file: IO[AnyStr]) -> Iterator[AnyStr]:
    """Lines with their ends; a csv.Error for one that is too long to be a row, which is read no further."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"a line of more than {_LONGEST_LINE} characters")
        yield line


def _parquet_rows(file: BinaryIO) -> Iterator[dict[str, Any] | ValueError]:
    """The values of known columns that are not null. Others are not read: what they hold may not fit Python's types."""
    table = pq.ParquetFile(file)
    columns = [name for name in table.schema_arrow.names if _COLUMN.fullmatch(name)]
    if not columns:
        raise pa.ArrowInvalid("it has no column image, question or answer")
    # The sizes of single columns cannot be asked for: pyarrow ends the process where they are damaged.
    needed = sum(table.metadata.row_group(place).total_byte_size for place in range(table.num_row_groups))
    if needed > available_memory():
        raise pa.ArrowMemoryError(f"its rows need {needed} bytes of memory, and {available_memory()} are free")
    for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns):
        for place in range(batch.num_rows):
            try:
                (row,) = batch.slice(place, 1).to_pylist()
                yield {name: value for name, value in row.items() if value is not None}
            except (ValueError, OverflowError, pa.ArrowException) as error:  # such as a date after the year 9999
                yield ValueError(f"cannot be read: {one_line(error)}")


def _item(
    values: bytes | dict[str, Any] | ValueError, place: str, path: Path, usable: Callable[[ImageRef], ImageRef | str]
) -> Item:
    if isinstance(values, ValueError):
        raise values
    row = _Row.model_validate_json(values) if isinstance(values, bytes) else _Row.model_validate(values)
    images = []
    for image in (_image(value, path) for value in row.images):
        found = usable(image)
        if isinstance(found, str):
            raise ValueError(f"cannot read image {image.id.split('/', 1)[1]} ({found})")
        images.append(found)
    if not images:
        raise ValueError("no image")
    if len(row.choices) == 1 or len(row.choices) > len(LETTERS):
        raise ValueError(f"choices must be a list of 2 to {len(LETTERS)}")
    if len({choice.casefold() for choice in row.choices}) < len(row.choices):
        raise ValueError("choices must differ from one another")
    if row.choices and named_option(row.answer, row.choices) is None:
        raise ValueError(f"answer '{row.answer}' is none of the choices, nor the letter of one")
    name = f"{visible(path.stem)}/{row.id or place.replace(' ', '-')}"
    question = without_marks(row.question)
    return Item(name, ImageList.of(images), question, row.answer, row.choices, row.type or "")


def _image(value: Any, path: Path) -> ImageRef:
    if isinstance(value, dict):  # as `datasets` stores one
        value = value.get("bytes") or value.get("path")
    if not isinstance(value, bytes):
        if not isinstance(value, str) or not value:
            raise ValueError("image must be text")
        value = _DATA_URI.sub("", value, count=1)
        if len(value) <= _SHORT or (Path(value).suffix and len(value) < 1024):
            return ImageRef(f"{visible(path.stem)}/{value}", path.parent / value)
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("image is neither a path nor base64") from None
    return ImageRef(f"{visible(path.stem)}/{blake2b(value, digest_size=8).hexdigest()}", value)


def _usable(image: ImageRef) -> ImageRef | str:
    """The image with its content; or why it cannot be used."""
    try:
        return replace(image, content=examine(image.data))
    except ImageError as error:
        return str(error)
