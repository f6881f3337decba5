r"""Reads answers from texts without a box, for evaluation only; votes and rewards need the box.

The accuracy by this reader minus the accuracy by box shows how much a model gains by learning to write `\boxed{…}`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence

from visplay.answers.normalise import normalise
from visplay.answers.text import extract_boxed, plain_text, trim

# Characters at the end of a text that are searched; the limit keeps the time linear for all patterns below.
_TAIL = 2000
_SHORT = 6  # a line of at most this many words is an answer as a whole

_OPEN_BOX = re.compile(r"\\boxed\s{0,9}\{([^<\n}]*)")
_STATED = re.compile(r"\b(?:answer|option|choice)\b[*_]*(?: (?:is|would be|must be)\b:?|\s?[:=])[*_]*", re.IGNORECASE)
_BULLET = re.compile(r"^(?:[#>*-]+ )+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
_YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_VERB = re.compile(r"^.*\b(?:is|are|was|were) (?!not\b)(?=\S)", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:/[0-9]+)?|\.[0-9]+)%?(?!\w)"
    r"|\b(?:zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b",
    re.IGNORECASE,
)
_MARKED_LETTER = re.compile(r"[(\[*]([A-Z])[)\]*.:]|(?<![\w'])([A-Z])(?=[.):](?:\s|$))|(?<![\w'])([A-Z])(?=\W*$)")
_BARE_LETTER = re.compile(r"(?<![\w'-])(?:([B-HJ-Z])(?![\w'-])|([AI])(?![\w'-])(?! [a-z]))")


def read_loosely(text: str, choices: Sequence[str] = ()) -> str | None:
    r"""The content of the box if there is one; else the answer that the text most likely gives, or None.

    Without a box, these parts of the text after `</think>` are searched, in this order: the content of an unclosed box;
    the text after the last "answer is" or "Answer:"; the last line. With `choices`, the options' texts, the answer is
    the last option letter in a part, or the option that is mentioned last. Else it is "yes" or "no" at the start of a
    part; the words of a short line, or what follows its verb "is"; the last number; the last "yes" or "no". Never
    raises; the time is linear in the length of `text`.
    """
    boxed = extract_boxed(text)
    if boxed is not None:
        return boxed
    _, closed, final = text.rpartition("</think>")
    tail = (final if closed and final.strip() else re.sub("</?think>", " ", text))[-_TAIL:]
    parts, whole = [part for part in _parts(tail) if part], plain_text(tail)
    found = [_option(part, choices) for part in (*parts, whole)] if choices else []
    found += [_short_answer(part) for part in parts]
    found += [_last(_NUMBER, whole), _last(_YES_NO, whole)]
    return next((answer for answer in found if answer), None)


def _parts(tail: str) -> Iterator[str]:
    """The content of an unclosed box, the rest of the line after the last "answer is", and the last line."""
    *_, box = [None, *_OPEN_BOX.finditer(tail)]
    if box:
        yield trim(plain_text(box[1]))
    *_, stated = [None, *_STATED.finditer(tail)]
    if stated:
        line, *_ = [*tail[stated.end() :].strip().splitlines(), ""]
        yield trim(plain_text(_SENTENCE.split(line)[0]))
    lines = (_BULLET.sub("", plain_text(line)) for line in tail.splitlines())
    *_, last = ["", *(line for line in lines if trim(line))]
    yield last


def _option(part: str, choices: Sequence[str]) -> str | None:
    """The last option letter in a text, else the letter of the option whose text comes last."""
    letters = list(string.ascii_uppercase[: len(choices)])
    for pattern in (_MARKED_LETTER, _BARE_LETTER):
        named = [letter for found in pattern.finditer(part) for letter in found.groups("") if letter in letters]
        if named:
            return named[-1]
    words, *options = (f" {' '.join(_WORD.findall(text.casefold()))} " for text in (part, *choices))
    places = [(words.rfind(option), option, letter) for letter, option in zip(letters, options, strict=False)]
    # Of options that end at the same place, such as "blue" and "dark blue", the one that starts first is meant.
    mentioned = [(-start - len(option), start, letter) for start, option, letter in places if start >= 0]
    return min(mentioned)[2] if mentioned else None


def _short_answer(part: str) -> str | None:
    sentence = trim(_SENTENCE.split(part.strip())[-1])
    for text in (part, sentence):
        if normalise(text).kind == "yes/no":
            return normalise(text).core
    if len(sentence.split()) > _SHORT:
        return _last(_NUMBER, sentence)
    words = trim(_VERB.sub("", sentence, count=1))
    # "3 red circles" gives "3"; "5 cm" is a number with a unit and stays whole.
    number = _NUMBER.match(words) if normalise(words).kind == "phrase" else None
    return number[0] if number else words


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    *_, last = [None, *pattern.finditer(text)]
    return last[0] if last else None
