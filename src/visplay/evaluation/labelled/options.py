"""The options of a row, and which of them its answer names.

An answer that could name one option by its place and another one by its text is refused, unless the user says how
answers are to be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from visplay.answers import match
from visplay.evaluation.grading import LETTERS, split_options
from visplay.evaluation.labelled.values import as_text, is_absent, listed, whole_number
from visplay.types import AnswersAre

_LETTERED = re.compile(r"(?:^|\s)\(?([A-Z])[.):](?=\s|$)")
_LABEL = re.compile(r"(?:option |choice )?[(\[]?(\w{1,3})[)\]]?[.:]?", re.IGNORECASE)
_LABELLED = re.compile(r"(?:option |choice )?[(\[]?(\w{1,3})[)\].:]+\s*(\S.*)", re.IGNORECASE | re.DOTALL)
_LABELS = re.compile(r"[\s,;/&+、，；]+(?:and\b)?")
_TEXT_OF = ("text", "value", "content", "option", "answer")
_LABEL_OF = ("label", "key", "letter", "id")


@dataclass(frozen=True)
class Options:
    """The options of a row that are not blank.

    Attributes:
        texts: as they are shown.
        labels: by which the row's answer may name them: those of the row, else A, B, C, …
        places: in the row, from 0, blank options included.
        labelled: whether the row itself has the labels.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    places: tuple[int, ...]
    labelled: bool

    @classmethod
    def of(cls, value: Any) -> Options:
        """Those of a list, of a mapping from labels to texts, or of a text with several lines or letters.

        Raises:
            ValueError: it is nothing of the kind, has too few or too many options, or the same one twice.
        """
        pairs = _pairs(listed(value))
        labels = [label for label, _ in pairs]
        shown = [(place, text) for place, (_, text) in enumerate(pairs) if not is_absent(text)]
        texts = [as_text(text, f"choices.{place}") for place, text in shown]
        labelled = None not in labels
        if not labelled and len(shown) == len(pairs):
            texts, labelled = _without_letters(texts)
        if len(texts) == 1 or len(texts) > len(LETTERS):
            raise ValueError(f"choices must be a list of 2 to {len(LETTERS)}")
        words = [words for text in texts if (words := _words(text)) != "<image>"]  # which is another image each time
        if len({*words}) < len(words):
            raise ValueError("choices must differ from one another")
        places = tuple(place for place, _ in shown)
        named = [labels[place] or LETTERS[place : place + 1] or str(place) for place in places]
        if len({label.casefold() for label in named}) < len(named):
            raise ValueError("labels of choices must differ from one another")
        return cls(tuple(texts), tuple(named), places, labelled)

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {label.casefold(): position for position, label in enumerate(self.labels)}

    def named(self, answer: Any, answers_are: AnswersAre | None, typed: bool) -> frozenset[int]:
        """Positions of the options that an answer names, all of which are right.

        Args:
            answer: a scalar of the row.
            typed: the file tells numbers from text, so that the text "3" is no index.
        Raises:
            ValueError: it names none, or can be read in several ways.
        """
        if isinstance(answer, bool):
            names = ("true", "yes") if answer else ("false", "no")
            found = frozenset[int]().union(*(self._with_text(name) for name in names))
            return self._one_reading(answer, found if len(found) == 1 else frozenset())
        text = _words(as_text(answer, "answer"))
        if text.casefold() in ("true", "false") and not self._with_text(text):
            return self.named(text.casefold() == "true", answers_are, typed)
        if answers_are == "text":
            return self._one_reading(answer, self._with_text(text) or self._alike(text))
        if answers_are == "letter":
            return self._one_reading(answer, self._with_label(text))
        if answers_are:
            return self._at(answer, text, 0 if answers_are == "index" else 1)
        label, exact = self._with_label(text), self._with_text(text)
        if label and self.labelled:
            return label
        number = whole_number(answer)
        if number is not None and not (typed and isinstance(answer, str) and exact):
            if {number, number - 1} & {*self.places}:
                raise ValueError(
                    f"answer {text} beside choices is ambiguous; "
                    "say --answers-are index (counted from 0), number (from 1) or text"
                )
        elif label and exact and label != exact:
            raise ValueError(
                f"answer '{text}' is ambiguous: the letter of one choice and the text of another; "
                "say --answers-are letter or text"
            )
        return self._one_reading(answer, label or exact or self._alike(text))

    def _one_reading(self, answer: Any, found: frozenset[int]) -> frozenset[int]:
        if not found:
            raise ValueError(f"answer '{answer}' is none of the choices, nor the letter of one")
        return found

    def _at(self, answer: Any, text: str, first: int) -> frozenset[int]:
        """The options at places counted from `first`; a letter is a place as well."""
        numbers = [whole_number(part) for part in ([answer] if not isinstance(answer, str) else split_options(text))]
        if None in numbers:
            return self._one_reading(answer, self._with_label(text))
        wanted = [number - first for number in numbers if number is not None]
        if not set(wanted) <= {*self.places}:
            hint = "; if the file counts from 1, say --answers-are number" if first == 0 else ""
            raise ValueError(f"answer {text} is no place among {len(self.texts)} choices, counted from {first}{hint}")
        return frozenset(self.places.index(place) for place in wanted)

    def _with_label(self, text: str) -> frozenset[int]:
        """By `B`, `(b)`, `Option B`, `B. its text`; or by several labels: `A, C`, `A and C`, `AC`."""
        names = self._by_name
        alone = _LABEL.fullmatch(text)
        if alone and alone[1].casefold() in names:
            return frozenset((names[alone[1].casefold()],))
        pieces = [found[1] if (found := _LABEL.fullmatch(part)) else "" for part in _LABELS.split(text) if part]
        if text.isalpha() and text.isupper() and len(set(text)) == len(text):
            pieces = list(text)
        if len(pieces) > 1 and all(piece.casefold() in names for piece in pieces):
            return frozenset(names[piece.casefold()] for piece in pieces)
        parts = split_options(text)
        several = [self._with_label(part) for part in parts] if len(parts) > 1 else []
        if several and all(several):
            return frozenset().union(*several)
        with_text = _LABELLED.fullmatch(text)
        if with_text and with_text[1].casefold() in names:
            position = names[with_text[1].casefold()]
            if match(with_text[2], self.texts[position]):
                return frozenset((position,))
        return frozenset()

    def _with_text(self, text: str) -> frozenset[int]:
        """The option of these words, else the only one of these words in another case."""
        shown = [*map(_words, self.texts)]
        same = [position for position, words in enumerate(shown) if words == text]
        same = same or [position for position, words in enumerate(shown) if words.casefold() == text.casefold()]
        return frozenset(same if len(same) == 1 else ())

    def _alike(self, text: str) -> frozenset[int]:
        """Several options by their texts, else the only one that matches; not what has the letter of another."""
        parts = split_options(text)
        several = [self._with_text(part) for part in parts] if len(parts) > 1 else []
        if several and all(several):
            return frozenset().union(*several)
        labelled = _LABELLED.fullmatch(text)
        if labelled and labelled[1].casefold() in self._by_name:
            return frozenset()
        alike = [position for position, shown in enumerate(self.texts) if match(text, shown)]
        return frozenset(alike if len(alike) == 1 else ())


NO_OPTIONS = Options((), (), (), False)


def _words(text: str) -> str:
    return " ".join(text.split())


def _pairs(value: Any) -> list[tuple[str | None, Any]]:
    """Label, if the row has one, and text of each option."""
    if isinstance(value, str):
        value = _split(value)
    if isinstance(value, Mapping):
        lists = [value[name] for name in ("label", "text") if isinstance(value.get(name), Sequence)]
        if len(lists) == 2 and not any(isinstance(each, str) for each in lists):
            if len(lists[0]) != len(lists[1]):
                raise ValueError("choices: not as many labels as texts")
            return [(as_text(label, "choices"), text) for label, text in zip(*lists, strict=True)]
        if any(isinstance(text, bool) for text in value.values()):
            raise ValueError("choices map to truth values; write their texts, and the right ones as the answer")
        return [(as_text(label, "choices"), text) for label, text in value.items()]
    if not isinstance(value, list | tuple):
        raise ValueError("choices: Input should be a valid array")
    return [_labelled(each) if isinstance(each, Mapping) else (None, each) for each in value]


def _labelled(option: Mapping[str, Any]) -> tuple[str | None, Any]:
    label = next((as_text(option[name], "choices") for name in _LABEL_OF if not is_absent(option.get(name))), None)
    return label, next((option[name] for name in _TEXT_OF if name in option), None)


def _split(text: str) -> Any:
    """The options of a text: those after A., B., …, else its lines; the text itself if it has only one."""
    starts = list(_in_sequence(text))
    if len(starts) > 1 and not text[: starts[0].start()].strip():
        ends = [*(start.start() for start in starts[1:]), len(text)]
        return {start[1]: text[start.end() : end] for start, end in zip(starts, ends, strict=True)}
    lines = [line for line in text.splitlines() if line.strip()]
    return lines if len(lines) > 1 else text


def _in_sequence(text: str) -> Iterator[re.Match[str]]:
    place = 0
    for found in _LETTERED.finditer(text):
        if found[1] == LETTERS[place : place + 1]:
            place += 1
            yield found


def _without_letters(texts: list[str]) -> tuple[list[str], bool]:
    """The texts without a letter of their own, if every one begins with that of its place."""
    found = [_LETTERED.match(text) for text in texts]
    if len(texts) > 1 and all(one and one[1] == letter for one, letter in zip(found, LETTERS, strict=False)):
        rest = [text[one.end() :].strip() for one, text in zip(found, texts, strict=True) if one]
        return (rest, True) if all(rest) and len(rest) == len(texts) else (texts, False)
    return texts, False
