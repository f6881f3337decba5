r"""Reads answers from texts without a box, for evaluation only; votes and rewards need the box.

The accuracy by this reader minus the accuracy by box shows how much a model gains by learning to write `\boxed{…}`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence

from visplay.answers.normalise import normalise
from visplay.answers.text import extract_boxed, plain_text, trim
from visplay.answers.thought import reply

# Characters at the end of a text that are searched; the limit keeps the time linear for all patterns below.
_TAIL = 2000
_SHORT = 6  # a line of at most this many words is an answer as a whole

_OPEN_BOX = re.compile(r"\\boxed\s{0,9}\{([^<\n}]*)")
# What some models are trained to write instead of a box.
_MARKED = (
    re.compile(r"<\|begin_of_box\|>((?:(?!<\|begin_of_box\|>|<\|end_of_box\|>).)+)<\|end_of_box\|>", re.DOTALL),
    re.compile(r"<answer>((?:(?!</?answer>).)+)</answer>", re.IGNORECASE | re.DOTALL),
    re.compile(r"[\"'](?:final_?)?answer[\"']\s{0,9}:\s{0,9}(\"(?:[^\"\\\n]|\\.)*\"|[^\s\",{}\[\]]+)", re.IGNORECASE),
)
_STATED = re.compile(
    r"\b(?:answer|option|choice|response|r[ée]ponse|antwort|respuesta|resposta|risposta|ответ)\b[*_]*"
    r"(?: (?:is|are|would be|must be|should be|est|ist|lautet|es|é|è)\b:?|\s?[:=：])[*_]*"
    r"|(?:答案|选项|選項|答え|解答|回答)(?:应该|應該)?(?:是|为|為|は)?[:：]?[*_]*"
    r"|(?:정답|답)(?:은|는)?[:：]?[*_]*",
    re.IGNORECASE,
)
_COPULA = re.compile("(?:です|だ|입니다|이다)$")
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
_LEADING_LETTER = re.compile(r"[(\[*]*(?:([B-HJ-Z])(?![\w'-])|([AI])(?![\w'-])(?! [a-z]))")
_BARE_LETTER = re.compile(r"(?<![\w'-])(?:([B-HJ-Z])(?![\w'-])|([AI])(?![\w'-])(?! [a-z]))")


def read_loosely(text: str, choices: Sequence[str] = ()) -> str | None:
    r"""The content of the box if there is one; else the answer that the text most likely gives, or None.

    An unfinished thought has no answer. Without a box, these parts of the text after the thought are searched, in this
    order: what is between box tokens or the tags `<answer>`, or is the value of `answer` in JSON; the content of an
    unclosed box; the text after the last "answer is" or "Answer:", in several languages; the last line. With
    `choices`, the options' texts, the answer is the letter that one of the stated parts begins with, the last option
    letter in a part, or the option that is mentioned last. Else it is "yes" or "no" at the start of a part; the words
    of a short line, or what follows its last "=" or its verb "is"; the last number; the last "yes" or "no". Never
    raises; the time is linear in the length of `text`.
    """
    boxed = extract_boxed(text)
    if boxed is not None:
        return boxed
    final = reply(text)
    if final is None:
        return None
    tail = (final if final.strip() else re.sub("</?think>", " ", text))[-_TAIL:]
    stated, last = [part for part in _stated(tail) if part], _last_line(tail)
    parts, whole = [*stated, *([last] if last else [])], plain_text(tail)
    found: list[str | None] = []
    if choices:
        for part in stated:
            found += [_first_letter(part, choices), _option(part, choices)]
        found += [_option(part, choices) for part in (last, whole)]
    found += [_short_answer(part) for part in parts]
    found += [_last(_NUMBER, whole), _last(_YES_NO, whole)]
    return next((answer for answer in found if answer), None)


def _stated(tail: str) -> Iterator[str]:
    """The content of tags and of an unclosed box, and the rest of the line after the last "answer is", if any."""
    for pattern in _MARKED:
        *_, marked = [None, *pattern.finditer(tail)]
        if marked:
            yield trim(plain_text(marked[1].strip('"')))
    *_, box = [None, *_OPEN_BOX.finditer(tail)]
    if box:
        yield trim(plain_text(box[1]))
    *_, stated = [None, *_STATED.finditer(tail)]
    if stated:
        line, *_ = [*tail[stated.end() :].strip().splitlines(), ""]
        yield _COPULA.sub("", trim(plain_text(_SENTENCE.split(line)[0])))


def _last_line(tail: str) -> str:
    lines = (_BULLET.sub("", plain_text(line)) for line in tail.splitlines())
    *_, last = ["", *(line for line in lines if trim(line))]
    return last


def _first_letter(part: str, choices: Sequence[str]) -> str | None:
    """The letter that an answer begins with: of `(A), although (B) is close`, A."""
    found = _LEADING_LETTER.match(part)
    letter = (found[1] or found[2]) if found else ""
    return letter if letter and letter in string.ascii_uppercase[: len(choices)] else None


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
    lhs, _, value = map(str.strip, sentence.rpartition("="))
    sentence = value if lhs and value else sentence
    if len(sentence.split()) > _SHORT:
        return _last(_NUMBER, sentence)
    words = trim(_VERB.sub("", sentence, count=1))
    # "3 red circles" gives "3"; "5 cm" is a number with a unit and stays whole.
    number = _NUMBER.match(words) if normalise(words).kind == "phrase" else None
    return number[0] if number else words


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    *_, last = [None, *pattern.finditer(text)]
    return last[0] if last else None
