"""Typed answers: extracted from a completion, normalised, compared, and counted as votes."""

from visplay.answers.extract import boxed_spans, extract_boxed
from visplay.answers.guesses import guesses
from visplay.answers.loose import read_loosely
from visplay.answers.match import match
from visplay.answers.normalise import Answer, normalise
from visplay.answers.refusal import is_refusal
from visplay.answers.vote import vote

__all__ = [
    "Answer",
    "boxed_spans",
    "extract_boxed",
    "guesses",
    "is_refusal",
    "match",
    "normalise",
    "read_loosely",
    "vote",
]
