"""Which columns of a row hold its images, question, answer and options: under the names that people use, or as told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from visplay.answers import extract_boxed
from visplay.errors import ConfigError, did_you_mean
from visplay.evaluation.grading import LETTERS
from visplay.evaluation.labelled.values import is_absent, listed

NAMES: Mapping[str, tuple[str, ...]] = {
    "images": ("images", "decoded_image", "image", "image_path", "image_paths", "img", "img_path", "image_file",
               "image_url", "picture", "file_name", "filename"),
    "question": ("question", "problem", "prompt", "query", "instruction", "text"),
    "answer": ("answer", "answers", "solution", "label", "target", "ground_truth", "gt_answer", "gt", "reference",
               "references", "correct_answer", "final_answer", "gold", "multiple_choice_answer", "response", "output"),
    "choices": ("choices", "options", "candidates", "choice", "option"),
    "id": ("id", "index", "question_id", "qid", "pid"),
    "type": ("type", "category", "question_type"),
}  # fmt: skip
"""The names of columns by what they hold; the first one that a row fills counts."""

_ALSO = {"image": "images", "options": "choices"}
_CHATS = ("conversations", "conversation", "messages")
_NUMBERED = re.compile(r"image_?(\d{1,3})")
_OPTION = re.compile(r"(?:option|choice)_?([a-rt-z]|\d{1,2})")
_ASKING, _ANSWERING = ("human", "user"), ("gpt", "assistant", "model")
_LONGEST_ANSWER = 200  # characters of a solution that gives nothing but the answer


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a row holds, as it holds it, `...` where it has no such column.

    Of several `answers` any is right; beside options all of them are.
    """

    images: Any
    question: Any
    answers: tuple[Any, ...]
    choices: Any
    id: Any
    type: Any


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns to read; `chosen` maps some of `NAMES` to the name of a column, or to a dotted path into one."""

    chosen: Mapping[str, str]

    @classmethod
    def of(cls, chosen: Mapping[str, str]) -> Columns:
        """Those that a user chose; ConfigError if a name is none of `NAMES`."""
        named = {_ALSO.get(name, name): column for name, column in chosen.items()}
        for name in named:
            if name not in NAMES:
                raise ConfigError(f"columns: no '{name}'{did_you_mean(name, NAMES)}; choose among {', '.join(NAMES)}")
        return cls(named)

    def reads(self, name: str) -> bool:
        """Whether a column of this name may be read."""
        plain = _plain(name)
        known = any(plain in names for names in (*NAMES.values(), _CHATS))
        lettered = name in LETTERS or _NUMBERED.fullmatch(plain) or _OPTION.fullmatch(plain)
        return known or bool(lettered) or any(name in (c, c.partition(".")[0]) for c in self.chosen.values())

    def of_row(self, row: Mapping[str, Any]) -> Chosen:
        """What the row holds.

        Raises:
            ValueError: a column is missing, or its value gives no answer.
        """
        plain = {_plain(name): name for name in reversed([*row])} | {name: name for name in row}
        found = {name: self._value(name, row, plain) for name in NAMES}
        chat = found["question"] if isinstance(listed(found["question"]), list) else None
        chat = chat or next((row[plain[name]] for name in _CHATS if name in plain), None)
        asked, answered, shown = _first_turns(listed(chat))
        if is_absent(found["question"]) or found["question"] is chat:
            found["question"] = asked if asked is not None else found["question"]
        if is_absent(found["answer"]) and answered is not None:
            found["answer"] = answered
        images = found["images"]
        if is_absent(images) or images == []:
            numbered = {int(each[1]): row[name] for name in row if (each := _NUMBERED.fullmatch(_plain(name)))}
            images = shown or [numbered[n] for n in sorted(numbered) if not is_absent(numbered[n])]
        if is_absent(found["choices"]) and "choices" not in self.chosen:
            found["choices"] = _in_columns(row)
        long = "solution" in plain and found["answer"] is row[plain["solution"]]
        answers = tuple(final_answer(each, long) for each in _references(found["answer"]))
        return Chosen(images, found["question"], answers, found["choices"], found["id"], found["type"])

    def _value(self, name: str, row: Mapping[str, Any], plain: Mapping[str, str]) -> Any:
        if name in self.chosen:
            return _at(row, self.chosen[name])
        held = [row[plain[column]] for column in NAMES[name] if column in plain]
        return next((value for value in held if not is_absent(value)), held[0] if held else ...)


def final_answer(value: Any, long: bool = False) -> Any:
    """The last box of a text, what its last `<answer>` holds, or what follows its last ####; else the value as it is.

    Raises:
        ValueError: a `long` text, which may reason, has none of these.
    """
    if not isinstance(value, str):
        return value
    text = value.rpartition("</think>")[2]
    tagged, closed, _ = text.rpartition("</answer>")
    if closed:
        text = tagged.rpartition("<answer>")[2]
    boxed = extract_boxed(text)
    if boxed is not None or closed:
        return boxed if boxed is not None else text
    before, marked, after = text.rpartition("####")
    if marked and after.strip() and (not before or before.endswith(("\n", " "))):
        return after
    if long and ("\n" in text.strip() or len(text) > _LONGEST_ANSWER):
        raise ValueError("solution: no final answer; write it as \\boxed{…}, <answer>…</answer> or #### …")
    return text


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_") if len(name) < 100 else name


def _at(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or of a path such as `reward_model.ground_truth`; `...` without one."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        value = listed(value)
        value = value.get(part, ...) if isinstance(value, Mapping) else ...
    return value


def _in_columns(row: Mapping[str, Any]) -> Any:
    """The options in columns `A`, `B`, …, or `option_a`, `option_b`, …, or `option_1`, …; None without any."""
    lettered: dict[str, Any] = {}
    for place, name in enumerate(LETTERS):
        if name in row:
            lettered[name] = row[name]
        elif place and LETTERS[place - 1] not in row:
            break  # a single letter further on is the name of something else
    named = {each[1].upper(): row[name] for name in row if (each := _OPTION.fullmatch(_plain(name)))}
    filled = {label: named[label] for label in sorted(named, key=lambda n: n.zfill(2)) if not is_absent(named[label])}
    return lettered if not all(map(is_absent, lettered.values())) else filled or None


def _references(value: Any) -> list[Any]:
    """The answers of a list, also of one that is written as text; of annotators' records what each answered."""
    if isinstance(value, str) and value.lstrip()[:2] in ('["', "['"):
        value = listed(value)
    if not isinstance(value, list | tuple):
        return [value]
    each = [one.get("answer") if isinstance(one, Mapping) else one for one in value]
    return [one for one in each if not is_absent(one)] or [None]


def _first_turns(chat: Any) -> tuple[str | None, str | None, list[Any]]:
    """The first question of a chat, the answer to it, and the images that the question's message holds."""
    turns = [turn for turn in chat if isinstance(turn, Mapping)] if isinstance(chat, list) else []
    question: str | None = None
    images: list[Any] = []
    for turn in turns:
        role = turn.get("from") or turn.get("role")
        said = turn.get("value") if turn.get("value") is not None else turn.get("content")
        if question is None and role in _ASKING:
            question, images = _message(said)
        elif question is not None and role in _ANSWERING:
            return question, _message(said)[0], images
    return question, None, images


def _message(said: Any) -> tuple[str, list[Any]]:
    """The text of a message, with a mark for each image among its parts, and these images."""
    if not isinstance(said, list):
        return said if isinstance(said, str) else "", []
    parts = list(_parts(said))
    return "".join(text for text, _ in parts), [image for _, image in parts if image is not None]


def _parts(said: list[Any]) -> Iterator[tuple[str, Any]]:
    for part in said:
        if isinstance(part, str):
            yield part, None
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str) and part.get("type", "text") == "text":
            yield part["text"], None
        elif isinstance(part, Mapping) and "image" in str(part.get("type")):
            held = next((part[name] for name in ("image", "image_url", "url", "path") if part.get(name)), None)
            yield "<image>", held
