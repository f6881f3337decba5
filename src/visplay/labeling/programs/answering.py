"""Answers questions from records: in any wording of any family, about any nouns and labels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from visplay.answers import listed_options, match
from visplay.labeling.programs.charts import charts
from visplay.labeling.programs.diagrams import diagrams
from visplay.labeling.programs.documents import documents
from visplay.labeling.programs.family import LONGEST_QUESTION, Family, plain
from visplay.labeling.programs.places import places
from visplay.labeling.programs.things import things
from visplay.labeling.records.schema import Record

FAMILIES: Mapping[str, tuple[Family[Any], ...]] = {
    "scene": (*things.all, *places.all),
    "chart": tuple(charts.all),
    "document": tuple(documents.all),
    "diagram": tuple(diagrams.all),
}
"""The families about each kind of record."""


@lru_cache(maxsize=2**15)
def readings(question: str, kind: str) -> tuple[tuple[Family[Any], Mapping[str, str]], ...]:
    """The families of a kind of record that read a question, each with the values of its slots."""
    if len(question) > LONGEST_QUESTION:
        return ()
    text = " ".join(plain(question).split()).rstrip("?. ")
    return tuple((family, values) for family in FAMILIES[kind] for values in family.readings(text))


def answer(question: str, record: Record, premises: bool = False) -> str | None:
    """The answer that follows from a record.

    Of options that the question lists, it is letter and text, as in "B. red".

    Args:
        premises: whether a question about a thing that is not there is answered, by `UNKNOWN`.
    Returns:
        None if no family reads the question, if the record does not decide it, or if two readings have other answers.
    """
    listed = listed_options(question)
    if listed is None:
        return _answer(question, record, premises)
    said = _answer(listed.frame[0].rstrip(" A.():"), record, premises)
    right = [place for place, text in enumerate(listed.texts) if said is not None and match(text, said)]
    return f"{listed.letters[right[0]]}. {listed.texts[right[0]]}" if len(right) == 1 else None


def _answer(question: str, record: Record, premises: bool) -> str | None:
    read = readings(question, record.kind)
    said = [family.rule(record, **values) for family, values in read if premises or family.skill != "premise"]
    answers = [each for each in said if each is not None]
    return answers[0] if answers and all(each == answers[0] or match(each, answers[0]) for each in answers) else None
