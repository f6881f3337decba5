"""The suite `file`: labelled questions of the user's own, in the columns that docs/evaluation.md describes.

A row that cannot be used is skipped and reported with its place and the reason. Blank lines are no rows.
"""

from __future__ import annotations

import ast
import base64
import binascii
import csv
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import chain, takewhile
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from visplay.errors import EvaluationError
from visplay.evaluation.grading import LETTERS, named_option
from visplay.interfaces.component import problems
from visplay.interfaces.suite import SuiteSource
from visplay.types import ImageList, ImageRef, Item, Suite

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_SHORT = 64  # characters; no image is so few in base64
_IMAGE_MARK = re.compile(r"\s*<image ?\d*>\s*")


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
            with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
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
    check_image = cache(_check_image)  # many questions share an image
    items: dict[str, Item] = {}
    skipped = []
    try:
        for place, row in _rows(path):
            try:
                item = _item(row, place, path)
                for image in item.image.parts:
                    check_image(image)
                if item.id in items:
                    raise ValueError(f"id '{item.id}' was used by an earlier row")
                items[item.id] = item
            except ValueError as error:
                skipped.append(f"{place}: {problems(error) if isinstance(error, ValidationError) else error}")
    except (OSError, pa.ArrowException, csv.Error, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise EvaluationError(f"cannot read {path}: {reason}") from None
    if not items:
        first = f"; {skipped[0]}" if skipped else ""
        raise EvaluationError(
            f"{path} has no usable row ({len(skipped)} skipped{first}); "
            'each must be like {"image": "a.png", "question": "…", "answer": "…"}'
        )
    return Labelled(Suite(path.stem, tuple(items.values())), tuple(skipped))


def without_marks(question: str) -> str:
    """The question without `<image 1>` and the like: images are shown before the text."""
    return _IMAGE_MARK.sub(" ", question).strip() or question


def _rows(path: Path) -> Iterator[tuple[str, bytes | dict[str, Any] | ValueError]]:
    """Where each row stands, such as "line 3", and its JSON or its cells that are not blank; or why it has none."""
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
            if line.strip():
                yield f"line {number}", line
    elif suffix in _DELIMITERS:
        csv.field_size_limit(sys.maxsize)  # an image may be a cell
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=_DELIMITERS[suffix], strict=True)
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    count = len(reader.fieldnames or ())
                    yield f"row {number}", ValueError(f"not {count} cells, as the first line has")
                else:
                    yield f"row {number}", {name: cell for name, cell in row.items() if cell.strip()}
    elif suffix == ".parquet":
        batches = pq.ParquetFile(path).iter_batches(256)
        for number, row in enumerate(chain.from_iterable(batch.to_pylist() for batch in batches), start=1):
            yield f"row {number}", {name: value for name, value in row.items() if value is not None}
    else:
        raise EvaluationError(
            f"cannot read {path}: its name ends in none of .jsonl, {', '.join(_DELIMITERS)}, .parquet"
        )


def _item(values: bytes | dict[str, Any] | ValueError, place: str, path: Path) -> Item:
    if isinstance(values, ValueError):
        raise values
    row = _Row.model_validate_json(values) if isinstance(values, bytes) else _Row.model_validate(values)
    images = [_image(value, path) for value in row.images]
    if not images:
        raise ValueError("no image")
    if len(row.choices) == 1 or len(row.choices) > len(LETTERS):
        raise ValueError(f"choices must be a list of 2 to {len(LETTERS)}")
    if len({choice.casefold() for choice in row.choices}) < len(row.choices):
        raise ValueError("choices must differ from one another")
    if row.choices and named_option(row.answer, row.choices) is None:
        raise ValueError(f"answer '{row.answer}' is none of the choices, nor the letter of one")
    name = f"{path.stem}/{row.id or place.replace(' ', '-')}"
    question = without_marks(row.question)
    return Item(name, ImageList.of(images), question, row.answer, row.choices, row.type or "")


def _image(value: Any, path: Path) -> ImageRef:
    if isinstance(value, dict):  # as `datasets` stores one
        value = value.get("bytes") or value.get("path")
    if not isinstance(value, bytes):
        if not isinstance(value, str) or not value:
            raise ValueError("image must be text")
        if len(value) <= _SHORT or (Path(value).suffix and len(value) < 1024):
            return ImageRef(f"{path.stem}/{value}", path.parent / value)
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("image is neither a path nor base64") from None
    return ImageRef(f"{path.stem}/{blake2b(value, digest_size=8).hexdigest()}", value)


def _check_image(image: ImageRef) -> None:
    try:
        image.load()
    # On broken bytes decoders raise whatever they run into: OSError, SyntaxError, struct.error, …
    except Exception as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"cannot read image {image.id.split('/', 1)[1]} ({reason})") from None
