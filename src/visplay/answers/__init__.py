"""Typed answers: extracted from a completion, normalised, compared, and counted as votes."""

from visplay.answers.listed import ListedOptions, listed_options
from visplay.answers.loose import read_loosely
from visplay.answers.normalise import Answer, guesses, is_refusal, normalise
from visplay.answers.text import boxed_spans, extract_boxed
from visplay.answers.thought import begun_thought, is_mark, reply, thought_marks
from visplay.answers.vote import counted, match, vote

__all__ = [
    "Answer",
    "ListedOptions",
    "begun_thought",
    "boxed_spans",
    "counted",
    "extract_boxed",
    "guesses",
    "is_mark",
    "is_refusal",
    "listed_options",
    "match",
    "normalise",
    "read_loosely",
    "reply",
    "thought_marks",
    "vote",
]
