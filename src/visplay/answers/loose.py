r"""What a tolerant reader takes for the answer of a text that boxes none.

Only to measure by: votes and rewards go by the box. The difference between both readers is what a model gains by
learning to write `\boxed{…}`, not by knowing more.
"""

from __future__ import annotations

import re
import string
from collections import deque
from collections.abc import Sequence

from visplay.answers.extract import extract_boxed
from visplay.answers.normalise import normalise
from visplay.answers.plain import plain, trim

# Answers stand at the end; reading no more of a text keeps the time linear, whatever the patterns below.
_TAIL = 2000
_SHORT = 6  # words of a line that is an answer as a whole

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
    r"""The box's content where there is one, so that what is boxed is read as the strict reader does.

    Else, after the thinking: what is left of a box that was not closed; what follows the last "answer is" or
    "Answer:"; the last line. Of such a part, with choices, the last option letter or the option mentioned last; then
    "yes" or "no" at its beginning; a short line's own words, or what it says that something is; its last number; its
    last "yes" or "no". None for a text in which nothing of this is found. Never raises; linear in the length of `text`.

    Args:
        choices: the options' texts, when the question had any.
    """
    boxed = extract_boxed(text)
    if boxed is not None:
        return boxed
    said = _after_thinking(text)[-_TAIL:]
    parts = [part for part in (*_pointed_out(said), _last_line(said)) if part]
    if choices:
        for part in (*parts, plain(said)):
            named = _option(part, choices)
            if named is not None:
                return named
    for part in parts:
        answer = _short_answer(part)
        if answer:
            return answer
    found = _last(_NUMBER, plain(said)) or _last(_YES_NO, plain(said))
    return found[0] if found else None


def _after_thinking(text: str) -> str:
    _, closed, answer = text.rpartition("</think>")
    return answer if closed and answer.strip() else text.replace("<think>", " ").replace("</think>", " ")


def _pointed_out(said: str) -> list[str]:
    """What an open box holds, and what stands behind the last "answer is", to the end of its line."""
    found = []
    box = _last(_OPEN_BOX, said)
    if box:
        found.append(trim(plain(box[1])))
    stated = _last(_STATED, said)
    if stated:
        lines = said[stated.end() :].strip().splitlines()
        found.append(trim(plain(_SENTENCE.split(lines[0])[0])) if lines else "")
    return found


def _last_line(said: str) -> str:
    lines = [line for line in (_BULLET.sub("", plain(line)) for line in said.splitlines()) if trim(line)]
    return lines[-1] if lines else ""


def _option(part: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that is named last by its letter, else by its text."""
    letters = string.ascii_uppercase[: len(choices)]
    for pattern in (_MARKED_LETTER, _BARE_LETTER):
        named = [
            letter for found in pattern.finditer(part) for letter in found.groups("") if letter and letter in letters
        ]
        if named:
            return named[-1]
    words = f" {_words(part)} "
    places = [words.rfind(f" {_words(choice)} ") for choice in choices]
    # Of two that end a text together, as "blue" and "dark blue" do, the longer is meant: it begins before the other.
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
    said = trim(_VERB.sub("", sentence, count=1))
    # "3 red circles" counts, and so does "5 cm", with its unit.
    number = _NUMBER.match(said) if normalise(said).kind == "phrase" else None
    return (number[0] if number else said) or None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)
