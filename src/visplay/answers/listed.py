"""The options that a question lists in its text: found, written in another order, and answers brought back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from visplay.answers.normalise import normalise
from visplay.answers.options import option_with_text
from visplay.answers.text import plain_text, trim
from visplay.answers.vote import match

_MARK = re.compile(r"(?<![\w'])(\(?)([A-Z])([.):])(?=\s|(?<=[):])\S)")
_LONGEST = 4000  # a longer question is left alone
_AFTER = re.compile(r"[\s,;/|]*(?:\b(?:or|and))?[\s,;.?!]*$")
# An option that speaks of others means something else in another place.
_SPEAKS_OF_OTHERS = re.compile(
    r"\b(?:above|below|both|neither|either|preceding|following)\b|\ball of\b|\bnone of (?:the|these)\b"
    r"|(?<![\w'])[A-Z] (?:and|or|&) [A-Z]\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ListedOptions:
    """A question and its options; `frame` is the text between them, one part more than there are options."""

    frame: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def letters(self) -> str:
        """The letters of the options: A, B, …"""
        return ascii_uppercase[: len(self.texts)]

    def in_order(self, order: Sequence[int]) -> str:
        """The question with option `order[0]` as A, `order[1]` as B, …"""
        shown = (self.texts[place] for place in order)
        return self.frame[0] + "".join(text + after for text, after in zip(shown, self.frame[1:], strict=True))

    def brought_back(self, answer: str, order: Sequence[int]) -> str:
        """An answer to `in_order(order)` as one to the question itself.

        What names one option, by its letter or its text, becomes letter and text, as in `B. red`. Several letters
        become those of the question. Any other answer stays as it is.
        """
        found = normalise(answer)
        letters = found.core.split(",") if found.kind == "letter" else []
        meant = [order[self.letters.index(letter)] for letter in letters if letter in self.letters]
        if letters and len(meant) == len(letters) > 1:
            return ", ".join(sorted(self.letters[place] for place in meant))
        if len(meant) == 1 and found.wording is not None and not match(self.texts[meant[0]], answer):
            written = option_with_text(trim(plain_text(answer)))  # the letter of one option, the text of another
            return f"{self.letters[meant[0]]}. {written[1]}" if written else answer
        if not letters:
            meant = [place for place, text in enumerate(self.texts) if match(answer, text)]
        return f"{self.letters[meant[0]]}. {self.texts[meant[0]]}" if len(meant) == 1 else answer


def listed_options(question: str) -> ListedOptions | None:
    """The options of a question that lists at least two from A on, such as `Which? A. red B. blue`.

    None also if an option speaks of the others (`all of the above`), or if two are the same.
    """
    marks = list(_MARK.finditer(question)) if len(question) <= _LONGEST else []
    for first, mark in enumerate(marks):
        if mark[2] == "A":
            run = [found for found in marks[first:] if (found[1], found[3]) == (mark[1], mark[3])]
            run = [found for found, letter in zip(run, ascii_uppercase, strict=False) if found[2] == letter]
            options = _cut(question, run) if [found[2] for found in run] == list(ascii_uppercase[: len(run)]) else None
            if options:
                return options
    return None


def _cut(question: str, marks: Sequence[re.Match[str]]) -> ListedOptions | None:
    ends = [mark.start() for mark in marks[1:]] + [len(question)]
    texts, frame = [], [""]
    begin = 0
    for mark, end in zip(marks, ends, strict=True):
        written = question[mark.end() : end]
        text = written.lstrip()
        frame[-1] += question[begin : mark.end()] + written[: len(written) - len(text)]
        after = _AFTER.search(text)
        kept = text[: after.start()] if after else text
        texts.append(kept)
        frame.append(text[len(kept) :])
        begin = end
    distinct = len({text.casefold() for text in texts}) == len(texts) and all(texts)
    if len(texts) < 2 or not distinct or any(_SPEAKS_OF_OTHERS.search(text) for text in texts):
        return None
    return ListedOptions(tuple(frame), tuple(texts))
