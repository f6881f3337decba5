"""Makes an item of a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

from visplay.errors import visible
from visplay.evaluation.grading import named_options
from visplay.evaluation.labelled.columns import Chosen, Columns
from visplay.evaluation.labelled.options import NO_OPTIONS, Options
from visplay.evaluation.labelled.pictures import image_ref, place_images
from visplay.evaluation.labelled.values import as_text, distinct, is_absent, listed
from visplay.roles.prompts import option_labels
from visplay.types import AnswersAre, ImageRef, Item


class _Texts(BaseModel):
    """The texts of a row; a number becomes its text."""

    model_config = {"coerce_numbers_to_str": True, "str_strip_whitespace": True, "str_min_length": 1}

    images: list[Any]
    question: str
    answer: str
    id: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class ItemReader:
    """Makes items of the rows of a file.

    Attributes:
        typed: the file tells numbers from text.
        usable: gives an image with its content, or why it cannot be used.
    """

    path: Path
    columns: Columns
    answers_are: AnswersAre | None
    typed: bool
    usable: Callable[[ImageRef], ImageRef | str]

    def item(self, row: bytes | dict[str, Any] | ValueError, place: str) -> Item:
        """The item of a row; ValueError with the reason if the row cannot be used."""
        held = self.columns.of_row(_mapping(row))
        answers = [each for answer in held.answers for each in _spoken(answer)]
        texts = _texts(held, answers[0])
        images = [self._image(value) for value in texts.images]
        if not images:
            raise ValueError("no image")
        options = Options.of(held.choices) if _has_choices(held.choices) else NO_OPTIONS
        question, choices, image = place_images(texts.question, options.texts, images)
        name, kind = f"{visible(self.path.stem)}/{texts.id or place.replace(' ', '-')}", texts.type or ""
        if not choices:
            others = distinct(as_text(each, "answer") for each in answers[1:])
            different = tuple(each for each in others if each and each != texts.answer)
            return Item(name, image, question, texts.answer, kind=kind, other_answers=different)
        named = [options.named(each, self.answers_are, self.typed) for each in held.answers]
        right = tuple(sorted(frozenset().union(*named)))
        answer = ", ".join(as_text(each, "answer") for each in held.answers)
        if named_options(answer, choices) != {*right}:  # a reader would take the row's own words for other options
            answer = ", ".join(option_labels(choices)[place] for place in right)
        return Item(name, image, question, answer, choices, kind, right_choices=right)

    def _image(self, value: Any) -> ImageRef:
        image = image_ref(value, self.path)
        found = self.usable(image)
        if isinstance(found, str):
            raise ValueError(f"cannot read image {image.id.split('/', 1)[1]} ({found})")
        return found


def _texts(held: Chosen, answer: Any) -> _Texts:
    values = {"images": _images(held.images), "question": held.question, "answer": answer}
    values |= {name: value for name in ("id", "type") if not is_absent(value := getattr(held, name))}
    return _Texts.model_validate({name: value for name, value in values.items() if value is not ...})


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
