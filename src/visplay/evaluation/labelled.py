"""Any labelled questions, in the columns that data sets use.

    image     an image: a path relative to the file, base64, or bytes as Hugging Face data sets hold them; several as
              `images` (a list) or as `image_1`, `image_2`, … (MMMU); `image_path` is taken too (VLMEvalKit)
    question  text; `<image 1>` in it stands for the first image, which is shown before the text
    answer    text or a number; with choices, an option's letter or text
    choices   optional, two to 26 texts or numbers; `options` (MMMU) and columns `A`, `B`, `C`, … (VLMEvalKit) are too
    id        optional, text or a whole number, also as `index`; without it, where the row stands
    type      optional, text; the item's kind, also as `category`

A row that cannot be used is skipped and reported with its place and the reason. Blank lines are no rows. In a TSV file
of VLMEvalKit a short `image` that is another row's id stands for that row's image.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from visplay.errors import EvaluationError
from visplay.evaluation.options import LETTERS, named_option
from visplay.evaluation.rows import RowError, read_rows
from visplay.types import ImageList, ImageRef, Item, Suite

_SHORT = 64  # characters; no image is so few in base64
_IMAGE_MARK = re.compile(r"\s*<image ?\d*>\s*")


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that was left out; `place` is such as "line 3"."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Labelled:
    """The usable rows of a file, in order, and the others."""

    suite: Suite
    skipped: tuple[SkippedRow, ...]


def read_labelled(path: Path) -> Labelled:
    """Read a suite named after the file; every image is decoded once, to see that it can be.

    Raises:
        EvaluationError: no such file, or not one usable row in it.
    """
    # Many questions share an image.
    trouble_with = cache(_trouble)
    items: dict[str, Item] = {}
    seen: dict[str, ImageRef] = {}
    skipped: list[SkippedRow] = []
    for place, row in read_rows(path):
        try:
            if isinstance(row, RowError):
                raise row
            item = _item(row, place, path, seen, trouble_with)
            if item.id in items:
                raise RowError(f"id '{item.id}' was used by an earlier row")
            items[item.id] = item
        except RowError as error:
            skipped.append(SkippedRow(place, str(error)))
    if not items:
        first = f"; {skipped[0]}" if skipped else ""
        raise EvaluationError(
            f"{path} has no usable row ({len(skipped)} skipped{first}); "
            'each must be like {"image": "a.png", "question": "…", "answer": "…"}'
        )
    return Labelled(Suite(path.stem, tuple(items.values())), tuple(skipped))


def _item(
    row: dict[str, Any],
    place: str,
    path: Path,
    seen: dict[str, ImageRef],
    trouble_with: Callable[[ImageRef], str | None],
) -> Item:
    images = _images(row, path, seen)
    missing = [key for key in ("question", "answer") if key not in row]
    if missing or not images:
        raise RowError(f"no {', '.join([*([] if images else ['image']), *missing])}")
    name, kind = _first(row, "id", "index"), _first(row, "type", "category")
    item = Item(
        id=f"{path.stem}/{_text(name, 'id', numbers=True) if name is not None else place.replace(' ', '-')}",
        image=ImageList.of(images),
        question=without_marks(_text(row["question"], "question")),
        answer=_text(row["answer"], "answer", numbers=True),
        kind=_text(kind, "type") if kind is not None else "",
    )
    choices = _choices(row)
    if choices:
        item = replace(item, choices=choices)
        if named_option(item.answer, choices) is None:
            raise RowError(f"answer '{item.answer}' is none of the choices, nor the letter of one")
    for image in images:
        if trouble := trouble_with(image):
            raise RowError(f"cannot read image {Path(image.id).relative_to(path.stem)} ({trouble})")
    if name is not None and len(images) == 1:
        seen[str(name)] = images[0]
    return item


def _first(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def without_marks(question: str) -> str:
    """The question without `<image 1>` and the like: images are shown before the text."""
    return _IMAGE_MARK.sub(" ", question).strip() or question


def _images(row: Mapping[str, Any], path: Path, seen: Mapping[str, ImageRef]) -> list[ImageRef]:
    several = row.get("images")
    if several is None:
        named = sorted((name for name in row if re.fullmatch(r"image_\d+", name)), key=lambda n: int(n[6:]))
        one = _first(row, "image", "image_path")
        several = [one] if one is not None else [row[name] for name in named]
    several = _listed(several) if isinstance(several, str) else several
    if not isinstance(several, list):
        raise RowError("images must be a list")
    return [_image(value, path, seen) for value in several]


def _image(value: Any, path: Path, seen: Mapping[str, ImageRef]) -> ImageRef:
    if isinstance(value, dict):  # as `datasets` stores one
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return _of_bytes(value, path)
    text = _text(value, "image", numbers=True)
    if text in seen and not (path.parent / text).exists():
        return seen[text]
    if len(text) > _SHORT and not (Path(text).suffix and len(text) < 1024):
        try:
            return _of_bytes(base64.b64decode(text, validate=True), path)
        except binascii.Error:
            raise RowError("image is neither a path nor base64") from None
    return ImageRef(f"{path.stem}/{text}", path.parent / text)


def _of_bytes(data: bytes, path: Path) -> ImageRef:
    return ImageRef(f"{path.stem}/{blake2b(data, digest_size=8).hexdigest()}", data)


def _choices(row: Mapping[str, Any]) -> tuple[str, ...]:
    given = _first(row, "choices", "options")
    if given is None:
        given = []
        for letter in LETTERS:
            if row.get(letter) is None:
                break
            given.append(row[letter])
        if not given:
            return ()
    given = _listed(given) if isinstance(given, str) else given
    if given == [] and "choices" not in row:
        return ()  # MMMU writes so of open questions
    if not isinstance(given, list) or not 2 <= len(given) <= len(LETTERS):
        raise RowError(f"choices must be a list of 2 to {len(LETTERS)}")
    choices = tuple(_text(choice, "choices", numbers=True) for choice in given)
    if len({choice.casefold() for choice in choices}) < len(choices):
        raise RowError("choices must differ from one another")
    return choices


def _listed(text: str) -> Any:
    """A list written as text, as JSON or as Python does; the text itself where it is neither."""
    if text.startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return text


def _text(value: object, key: str, numbers: bool = False) -> str:
    if numbers and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    if not isinstance(value, str):
        raise RowError(f"{key} must be text{' or a number' if numbers else ''}")
    if not value.strip():
        raise RowError(f"{key} is blank")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise RowError(f"{key} holds half a surrogate pair, which is no character") from None
    return value.strip()


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
