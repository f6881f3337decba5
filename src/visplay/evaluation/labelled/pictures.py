"""The images of a row: where each is, and where it stands in question and options."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from visplay.errors import visible
from visplay.types import ImageList, ImageRef

_SHORT = 64  # characters; no image is so few in base64
_LONGEST_PATH = 4096
_DATA_URI = re.compile(r"data:[^,;]{0,100}(;[^,;]{0,100}){0,9},", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_WEB = re.compile(r"(?:https?|s3|gs|hf|ftp)://", re.IGNORECASE)
_MARK = re.compile(r"<image[ _]?(\d{0,4})>", re.IGNORECASE)
_LEAD = re.compile(rf"(?:\s*{_MARK.pattern})+\s*", re.IGNORECASE)
_NESTED = ("bytes", "path", "image_url", "url", "image", "data")  # as datasets and chat messages hold an image


def image_ref(value: Any, path: Path) -> ImageRef:
    """The image that a value of a row in the file `path` names or holds: a path, an address `file://`, base64, bytes.

    Raises:
        ValueError: it is none of these.
    """
    for _ in range(3):
        if isinstance(value, Mapping):
            value = next((value[name] for name in _NESTED if value.get(name)), None)
    if not isinstance(value, bytes):
        if not isinstance(value, str) or not value.strip():
            raise ValueError("image must be text")
        value = value.strip()
        uri = _DATA_URI.match(value)
        named = [] if uri else list(_paths(value, path.parent))
        if named:
            found = next((each for each in named if os.path.exists(path.parent / each)), named[0])
            return ImageRef(f"{visible(path.stem)}/{found}", path.parent / found)
        value = _decoded(value, uri)
    return ImageRef(f"{visible(path.stem)}/{blake2b(value, digest_size=8).hexdigest()}", value)


def _paths(value: str, folder: Path) -> Iterator[str]:
    """The paths that a text may mean, the likeliest first; none for base64."""
    if _WEB.match(value):
        raise ValueError("image is an address on the web; download it, and name the file")
    if value[:7].lower() == "file://":
        address = urlsplit(value)
        host = "" if address.netloc.lower() == "localhost" else address.netloc
        yield unquote(host + address.path)
        if not host:  # an absolute path of another machine
            yield unquote(address.path.lstrip("/"))
    elif len(value) <= _SHORT or (Path(value).suffix and len(value) < 1024) or _exists(folder, value):
        yield value
        if "?" in value:
            yield value.partition("?")[0]


def _exists(folder: Path, value: str) -> bool:
    return len(value) <= _LONGEST_PATH and os.path.exists(folder / value)


def _decoded(value: str, uri: re.Match[str] | None) -> bytes:
    """The bytes of base64: in a data URI, in lines, in the alphabet for addresses, with or without padding."""
    if uri:
        if not uri[0].lower().endswith(";base64,"):
            raise ValueError("image is a data URI without base64")
        value = unquote(value[uri.end() :])
    value = _SPACE.sub("", value).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):  # a ValueError for other characters than those of ASCII
        raise ValueError("image is neither a path nor base64") from None


def place_images(
    question: str, choices: Sequence[str], images: Sequence[ImageRef]
) -> tuple[str, tuple[str, ...], ImageRef]:
    """Question, choices and images, with one mark `<image 1>`, `<image 2>`, … where an image stands in the text.

    Marks at the start of the question say that images come first, which needs no mark, unless the choices show all of
    them again. An image that the text names again is "image 1" there. Images without a mark come first.

    Raises:
        ValueError: a mark names an image that the row does not have.
    """
    count = 0

    def numbered(found: re.Match[str]) -> str:
        nonlocal count
        count += not found[1]
        number = int(found[1] or count)
        if not 1 <= number <= len(images):
            raise ValueError(f"the text names image {number}, and the row has {len(images)}")
        return f"<image {number}>"

    question, *options = (_MARK.sub(numbered, text) for text in (question, *choices))
    first: list[int] = []
    lead = _LEAD.match(question)
    if lead and lead.end() < len(question):
        question = question[lead.end() :]
        again = {*_numbers("\n".join(options))}
        first = [number for number in dict.fromkeys(_numbers(lead[0]))]
        first = [] if again.issuperset(first) else first
    named = [number for number in dict.fromkeys(_numbers("\n".join((question, *options)))) if number not in first]
    unnamed = [number for number in range(1, len(images) + 1) if number not in (*first, *named)]
    order = [*first, *unnamed, *named]
    waiting = set(named)

    def placed(found: re.Match[str]) -> str:
        number = int(found[1])
        shown = order.index(number) + 1
        if number not in waiting:
            return f"image {shown}"
        waiting.remove(number)
        return f"<image {shown}>"

    question, *options = (_MARK.sub(placed, text) for text in (question, *options))
    text = "\n".join((question, *options)) if named else ""
    return question, tuple(options), ImageList.of([images[number - 1] for number in order], text)


def _numbers(text: str) -> list[int]:
    return [int(found[1]) for found in _MARK.finditer(text)]
