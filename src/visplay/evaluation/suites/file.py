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
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import chain, takewhile
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

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

    def open(self, seed: int, items: int | None) -> tuple[Suite, ...]:
        return (read_labelled(self.path).suite,)

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The usable rows of a file, in order; and for each skipped row its place and the reason."""

    suite: Suite
    skipped: tuple[str, ...]


class RowError(ValueError):
    """Why a row cannot be used."""


def _listed(value: Any) -> Any:
    """A list written as text, as JSON or as Python does; any other value as it is."""
    if isinstance(value, str) and value.startswith("["):
        for read in (json.loads, ast.literal_eval):
            with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                return read(value)
    return value


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Row(BaseModel):
    """A row, in any of the known columns; a number becomes its text."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    images: Annotated[list[Any], BeforeValidator(_listed)] = Field(validation_alias=AliasChoices("images", "one"))
    question: _Text
    answer: _Text
    choices: Annotated[tuple[_Text, ...], BeforeValidator(_listed)] = Field(
        validation_alias=AliasChoices("choices", "options", "lettered")
    )
    id: _Text | None = Field(None, validation_alias=AliasChoices("id", "index"))
    type: _Text | None = Field(None, validation_alias=AliasChoices("type", "category"))

    @classmethod
    def of(cls, row: dict[str, Any]) -> _Row:
        """Read a row; MMMU has several images in `image_1`, …, and VLMEvalKit has choices in `A`, `B`, …."""
        images = [row[name] for name in ("image", "image_path") if name in row][:1]
        numbered = sorted((name for name in row if re.fullmatch(r"image_\d+", name)), key=lambda name: int(name[6:]))
        lettered = [row[letter] for letter in takewhile(row.__contains__, LETTERS)]
        try:
            return cls.model_validate({"one": images or [row[n] for n in numbered], "lettered": lettered} | row)
        except ValidationError as error:
            raise RowError(problems(error)) from None


def read_labelled(path: Path) -> Labelled:
    """Read a suite named after the file; every image is decoded once, to see that it can be.

    Raises:
        EvaluationError: the file cannot be read, has no known format, or has no usable row.
    """
    # Many questions share an image.
    trouble_with = cache(_trouble)
    items: dict[str, Item] = {}
    skipped = []
    try:
        for place, row in _rows(path):
            try:
                if isinstance(row, RowError):
                    raise row
                item = _item(row, place, path, trouble_with)
                if item.id in items:
                    raise RowError(f"id '{item.id}' was used by an earlier row")
                items[item.id] = item
            except RowError as error:
                skipped.append(f"{place}: {error}")
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


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any] | RowError]]:
    """The place of each row, such as "line 3", and its cells; blank cells and null are left out."""
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
            if line.strip():
                yield f"line {number}", _json_object(line)
    elif suffix in _DELIMITERS:
        csv.field_size_limit(sys.maxsize)  # an image may be a cell
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=_DELIMITERS[suffix], strict=True)
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    yield f"row {number}", RowError(f"not {len(reader.fieldnames or ())} cells, as the first line has")
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


def _json_object(line: bytes) -> dict[str, Any] | RowError:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return RowError(f"not valid JSON ({' '.join(str(error).split())})")
    return row if isinstance(row, dict) else RowError("not a JSON object")


def _item(values: dict[str, Any], place: str, path: Path, trouble_with: Callable[[ImageRef], str | None]) -> Item:
    row = _Row.of(values)
    images = [_image(value, path) for value in row.images]
    if not images:
        raise RowError("no image")
    if len(row.choices) == 1 or len(row.choices) > len(LETTERS):
        raise RowError(f"choices must be a list of 2 to {len(LETTERS)}")
    if len({choice.casefold() for choice in row.choices}) < len(row.choices):
        raise RowError("choices must differ from one another")
    if row.choices and named_option(row.answer, row.choices) is None:
        raise RowError(f"answer '{row.answer}' is none of the choices, nor the letter of one")
    for image in images:
        if trouble := trouble_with(image):
            raise RowError(f"cannot read image {Path(image.id).relative_to(path.stem)} ({trouble})")
    name = f"{path.stem}/{row.id or place.replace(' ', '-')}"
    question = without_marks(row.question)
    return Item(name, ImageList.of(images), question, row.answer, row.choices, row.type or "")


def _image(value: Any, path: Path) -> ImageRef:
    if isinstance(value, dict):  # as `datasets` stores one
        value = value.get("bytes") or value.get("path")
    if not isinstance(value, bytes):
        if not isinstance(value, str) or not value:
            raise RowError("image must be text")
        if len(value) <= _SHORT or (Path(value).suffix and len(value) < 1024):
            return ImageRef(f"{path.stem}/{value}", path.parent / value)
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise RowError("image is neither a path nor base64") from None
    return ImageRef(f"{path.stem}/{blake2b(value, digest_size=8).hexdigest()}", value)


def _trouble(image: ImageRef) -> str | None:
    """Why `image` cannot be decoded, None when it can."""
    try:
        image.load()
    except FileNotFoundError:
        return "no such file"
    # On broken bytes decoders raise whatever they run into: OSError, SyntaxError, struct.error, …
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return None
