"""Asks: programs about a record, balanced over skills, families and answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from visplay.answers import match
from visplay.labeling.programs.answering import FAMILIES, answer
from visplay.labeling.programs.family import Draft, Family
from visplay.labeling.programs.program import Program
from visplay.labeling.records.schema import Record
from visplay.types import QuestionType

_DRAWS = 16  # questions that are drawn from each family
_OPTIONS = 4


def programs(
    record: Record,
    rng: np.random.Generator,
    n: int = 8,
    *,
    skills: Collection[str] = (),
    hops: Collection[int] = (1, 2, 3),
    families: Collection[str] = (),
    options: float = 0.2,
    nouns: Sequence[str] = (),
) -> list[Program]:
    """Up to `n` programs about a record, the same for the same state of `rng`.

    Each program is of the skill that was asked least so far, and not of the one of "yes" and "no" that is ahead, where
    the record has others; of these, the one whose family and whose answer were asked least.

    Args:
        skills, families: those to ask; all if empty, but for false premises, which one of the two must name.
        options: share of the questions with a text as answer that list options.
        nouns: things that may be absent from the image, such as those of other images.
    """
    candidates = [
        program
        for family in FAMILIES[record.kind]
        if family.hops in hops and _wanted(family, skills, families)
        for program in drawn(family, Draft(record, rng, nouns))
    ]
    chosen: list[Program] = []
    for program in _balanced(candidates, rng):
        if rng.random() < options:
            program = with_options(program, candidates, rng) or program
        said = ((wording, answer(wording, record, program.has_false_premise)) for wording in program.wordings)
        kept = tuple(wording for wording, found in said if found == program.answer)
        # A label such as "A. 5" or "men and women" may give a wording a second meaning.
        if kept[:1] == program.wordings[:1]:
            chosen.append(replace(program, wordings=kept))
        if len(chosen) >= n:
            break
    return chosen[:n]


def _wanted(family: Family[Any], skills: Collection[str], families: Collection[str]) -> bool:
    named = family.skill in skills or family.name in families
    if family.skill == "premise" and not named:
        return False
    return (not skills or family.skill in skills) and (not families or family.name in families)


def drawn(family: Family[Any], draft: Draft[Any]) -> list[Program]:
    """Programs of a family about a record, each question once."""
    found: dict[str, Program] = {}
    for values in (family.draw(draft) for _ in range(_DRAWS)):
        said = None if values is None else family.rule(draft.record, **values)
        if values is not None and said is not None:
            wordings = tuple(wording.write(values) for wording in family.wordings)
            found[wordings[0]] = Program(family.name, family.skill, family.hops, _type(said), wordings, said)
    return list(found.values())


def with_options(program: Program, others: Sequence[Program], rng: np.random.Generator) -> Program | None:
    """The program with options: its answer, and answers of its family to other questions about the record.

    None if there are no such answers, or if it is answered by yes or no.
    """
    if program.answer in ("yes", "no"):
        return None
    texts = [program.answer]
    for other in (others[place] for place in rng.permutation(len(others))):
        if other.family == program.family and not any(match(other.answer, text) for text in texts):
            texts.append(other.answer)
    texts = texts[:_OPTIONS]
    if len(texts) < 2:
        return None
    shown = [texts[place] for place in rng.permutation(len(texts))]
    listed = " ".join(f"{letter}. {text}" for letter, text in zip("ABCD", shown, strict=False))
    letter = "ABCD"[shown.index(program.answer)]
    wordings = tuple(f"{wording} {listed}" for wording in program.wordings)
    right = f"{letter}. {program.answer}"
    return replace(program, type="multiple choice", wordings=wordings, answer=right, options=tuple(shown))


def _balanced(candidates: Sequence[Program], rng: np.random.Generator) -> Iterator[Program]:
    """The candidates in an order whose beginnings are balanced."""
    skills, families, answers, alike = Counter[str](), Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    numbered = []
    for one in (candidates[place] for place in rng.permutation(len(candidates))):
        alike[one.family, one.answer] += 1
        numbered.append((alike[one.family, one.answer], one))
    # Each answer of a family comes once before one comes again: what most questions would be answered by is not ahead.
    left = [one for _, one in sorted(numbered, key=lambda pair: pair[0])]
    first = ("yes", "no")[int(rng.integers(2))]

    def place(one: Program) -> tuple[int, bool, int, int]:
        other = {"yes": "no", "no": "yes"}.get(one.answer)
        ahead = other is not None and answers[one.answer] - answers[other] + (one.answer != first) > 0
        return skills[one.skill], ahead, families[one.family], answers[one.answer]

    while left:
        best = min(left, key=place)
        left.remove(best)
        skills[best.skill] += 1
        families[best.family] += 1
        answers[best.answer] += 1
        yield best


def _type(said: str) -> QuestionType:
    if said in ("yes", "no"):
        return "multiple choice"
    return "numerical" if said.isdigit() else "open"
