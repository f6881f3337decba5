r"""Reads answers from texts without a box, for evaluation only; votes and rewards need the box.

The accuracy by this reader minus the accuracy by box shows how much a model gains by learning to write `\boxed{…}`.
"""

from __future__ import annotations

import re
import string
from collections import deque
from collections.abc import Sequence

from visplay.answers.extract import extract_boxed
from visplay.answers.normalise import normalise
from visplay.answers.plain import plain_text, trim

# Characters at the end of a text that are searched; the limit keeps the time linear for all patterns below.
_TAIL = 2000
_SHORT = 6  # a line of at most this many words is an answer as a whole

_OPEN_BOX = re.compile(r"\\boxed\s{0,9}\{([^<\n}]*)")
_STATED = re.compile(r"\b(?:answer|option|choice)\b[*_]*(?: (?:is|would be|must be)\b:?|\s?[:=])[*_]*", re.IGNORECASE)
_BULLET = re.compile(r"^(?:[#>*-]+ )+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
_YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
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
    the text after the last "answer is" or "Answer:"; the last line. With choices, the answer is the last option letter
    in a part, or the option that is mentioned last. Else it is "yes" or "no" at the start of a part; the words of a
    short line, or what follows its verb "is"; the last number; the last "yes" or "no". Never raises; the time is linear
    in the length of `text`.

    Args:
        choices: the options' texts, if the question has any.
    """
    boxed = extract_boxed(text)
    if boxed is not None:
        return boxed
    tail = _after_thinking(text)[-_TAIL:]
    parts = [part for part in (*_marked_parts(tail), _last_line(tail)) if part]
    if choices:
        for part in (*parts, plain_text(tail)):
            named = _option(part, choices)
            if named is not None:
                return named
    for part in parts:
        answer = _short_answer(part)
        if answer:
            return answer
    found = _last(_NUMBER, plain_text(tail)) or _last(_YES_NO, plain_text(tail))
    return found[0] if found else None


def _after_thinking(text: str) -> str:
    _, closed, answer = text.rpartition("</think>")
    return answer if closed and answer.strip() else text.replace("<think>", " ").replace("</think>", " ")


def _marked_parts(tail: str) -> list[str]:
    """The content of an unclosed box, and the rest of the line after the last "answer is"."""
    found = []
    box = _last(_OPEN_BOX, tail)
    if box:
        found.append(trim(plain_text(box[1])))
    stated = _last(_STATED, tail)
    if stated:
        lines = tail[stated.end() :].strip().splitlines()
        found.append(trim(plain_text(_SENTENCE.split(lines[0])[0])) if lines else "")
    return found


def _last_line(tail: str) -> str:
    lines = [line for line in (_BULLET.sub("", plain_text(line)) for line in tail.splitlines()) if trim(line)]
    return lines[-1] if lines else ""


def _option(part: str, choices: Sequence[str]) -> str | None:
    """The last option letter in a text, else the letter of the option whose text comes last."""
    letters = string.ascii_uppercase[: len(choices)]
    for pattern in (_MARKED_LETTER, _BARE_LETTER):
        named = [
            letter for found in pattern.finditer(part) for letter in found.groups("") if letter and letter in letters
        ]
        if named:
            return named[-1]
    words = f" {_words(part)} "
    places = [words.rfind(f" {_words(choice)} ") for choice in choices]
    # If two options end at the same place, such as "blue" and "dark blue", the longer one is meant; it starts earlier.
    ends = [place + len(_words(choice)) if place >= 0 else -1 for place, choice in zip(places, choices, strict=True)]
    latest = max(ends)
    if latest < 0:
        return None
    return letters[min((place, i) for i, place in enumerate(places) if ends[i] == latest)[1]]


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _short_answer(part: str) -> str | None:
    sentence = trim(_SENTENCE.split(part.strip())[-1])
    for text in (part, sentence):
        if normalise(text).kind == "yes/no":
            return normalise(text).core
    if len(sentence.split()) > _SHORT:
        number = _last(_NUMBER, sentence)
        return number[0] if number else None
    words = trim(_VERB.sub("", sentence, count=1))
    # "3 red circles" gives "3"; "5 cm" is a number with a unit and stays whole.
    number = _NUMBER.match(words) if normalise(words).kind == "phrase" else None
    return (number[0] if number else words) or None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)
