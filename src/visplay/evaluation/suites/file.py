"""The suite `file`: labelled questions of the user's own, in the forms that docs/evaluation.md describes.

A row that cannot be used is skipped and reported with its place and the reason. Blank lines are no rows.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import IO, Any, AnyStr, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from visplay.errors import EvaluationError, ImageError, one_line, visible
from visplay.evaluation.grading import LETTERS, named_options
from visplay.evaluation.labelled.columns import Columns
from visplay.evaluation.labelled.options import Options
from visplay.evaluation.labelled.pictures import image_ref, place_images
from visplay.evaluation.labelled.values import as_text, distinct, is_absent, listed
from visplay.images.budget import available_memory
from visplay.images.decode import examine
from visplay.images.files import open_regular, read_regular
from visplay.interfaces.component import problems
from visplay.interfaces.suite import SuiteSource
from visplay.roles.prompts import option_labels
from visplay.types import AnswersAre, ImageRef, Item, Suite

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LONGEST_LINE = 2**28  # characters; a row may hold images in base64
_LONGEST_NAME = 60  # characters of a row's name
_LONGEST_REASON = 500  # characters of why a row is skipped
_ROWS_AT_ONCE = 64
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_IMAGE_MARK = re.compile(r"\s*<image ?\d*>\s*")


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


class _Row(BaseModel):
    """The texts of a row; a number becomes its text."""

    model_config = {"coerce_numbers_to_str": True, "str_strip_whitespace": True, "str_min_length": 1}

    images: list[Any]
    question: str
    answer: str
    id: str | None = None
    type: str | None = None


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
    reader = _Reader(path, Columns.of(columns or {}), answers_are, usable)
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
    try:
        found = from_json(content.removeprefix(_BYTE_ORDER_MARK))
    except ValueError:
        return None
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
    for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns):
        for place in range(batch.num_rows):
            try:
                (row,) = batch.slice(place, 1).to_pylist()
                yield {name: value for name, value in row.items() if value is not None or name in LETTERS}
            except (ValueError, OverflowError, pa.ArrowException) as error:  # such as a date after the year 9999
                yield ValueError(f"cannot be read: {one_line(error)}")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Makes items of the rows of a file."""

    path: Path
    columns: Columns
    answers_are: AnswersAre | None
    usable: Callable[[ImageRef], ImageRef | str]

    def item(self, row: bytes | dict[str, Any] | ValueError, place: str) -> Item:
        """The item of a row; ValueError with the reason if the row cannot be used."""
        held = self.columns.of_row(_mapping(row))
        answers = [each for answer in held.answers for each in _spoken(answer)]
        values = {"images": _images(held.images), "question": held.question, "answer": answers[0]}
        values |= {name: value for name in ("id", "type") if not is_absent(value := getattr(held, name))}
        texts = _Row.model_validate({name: value for name, value in values.items() if value is not ...})
        images = [self._image(value) for value in texts.images]
        if not images:
            raise ValueError("no image")
        options = Options.of(held.choices) if _has_choices(held.choices) else None
        question, choices, image = place_images(texts.question, options.texts if options else (), images)
        name = f"{visible(self.path.stem)}/{texts.id or place.replace(' ', '-')}"
        kind = texts.type or ""
        if options is None:
            others = distinct(as_text(each, "answer") for each in answers[1:])
            others = tuple(each for each in others if each and each != texts.answer)
            return Item(name, image, question, texts.answer, kind=kind, other_answers=others)
        typed = self.path.suffix.lower() not in _DELIMITERS
        named = frozenset[int]().union(*(options.named(each, self.answers_are, typed) for each in held.answers))
        right = tuple(sorted(named))
        answer = ", ".join(as_text(each, "answer") for each in held.answers)
        if named_options(answer, choices) != named:  # as the row has it, it means something else to a reader
            answer = ", ".join(option_labels(choices)[place] for place in right)
        return Item(name, image, question, answer, choices, kind, right_choices=right)

    def _image(self, value: Any) -> ImageRef:
        image = image_ref(value, self.path)
        found = self.usable(image)
        if isinstance(found, str):
            raise ValueError(f"cannot read image {image.id.split('/', 1)[1]} ({found})")
        return found


def _mapping(row: Any) -> dict[str, Any]:
    if isinstance(row, bytes):
        try:
            row = from_json(row)
        except ValueError as error:
            raise ValueError(f"Invalid JSON: {error}") from None
    if isinstance(row, ValueError):
        raise row
    if not isinstance(row, dict):
        raise ValueError("Input should be an object")
    return row


def _images(value: Any) -> list[Any]:
    value = listed(value)
    if is_absent(value) and not isinstance(value, str):
        return []
    value = [value] if isinstance(value, str | bytes | dict) else value
    if not isinstance(value, list):
        raise ValueError("images: Input should be a valid array")
    return value


def _has_choices(value: Any) -> bool:
    """Whether a row has options: MMMU writes `[]` for an open question."""
    value = listed(value)
    if isinstance(value, dict):
        value = list(value.values())
    return not is_absent(value) and not (isinstance(value, list) and all(map(is_absent, value)))


def _spoken(answer: Any) -> list[Any]:
    """Yes and "true" for a truth value, as either may be said; any other answer alone."""
    word = str(answer).strip().casefold() if isinstance(answer, bool | str) else ""
    return [{"true": "yes", "false": "no"}[word], word] if word in ("true", "false") else [answer]


def _usable(image: ImageRef) -> ImageRef | str:
    """The image with its content; or why it cannot be used."""
    try:
        return replace(image, content=examine(image.data))
    except ImageError as error:
        return str(error)
