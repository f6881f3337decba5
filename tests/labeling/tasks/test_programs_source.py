"""The task source asks what records agree on; abstentions count against an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from visplay.interfaces.component import read_component
from visplay.labeling.gates.answered import Answered
from visplay.labeling.programs.answering import answer
from visplay.labeling.records.schema import Record, Scene, Thing
from visplay.labeling.tasks.programs import Programs
from visplay.types import Evidence, ImageRef, Question, Vote, WrittenRecord

CAR = Thing(name="car", attributes={"color": "red"}, row=7, column=1, size=5)
DOG = Thing(name="dog", attributes={"color": "brown"}, row=2, column=7, size=2)
FULL = Scene(things=(CAR, DOG), complete=("thing",))
PARTLY = Scene(things=(CAR, DOG))
IMAGES = (ImageRef("one", b""), ImageRef("two", b""))


class Witness:
    """Writes the same records of each image, and votes of which one in two is "yes"."""

    def __init__(self, records: Sequence[Record | None]) -> None:
        self.seen = records

    def records(
        self, about: Sequence[ImageRef], n: int, augmentations: Sequence[str], tag: str, schema: str
    ) -> Mapping[str, Any]:
        texts = ["?" if record is None else record.model_dump_json() for record in self.seen[:n]]
        return {image.id: tuple(WrittenRecord(text, True) for text in texts) for image in about}

    def votes(self, questions: Sequence[Question], m: int, augmentations: Sequence[str]) -> Mapping[str, Any]:
        return {q.id: tuple(Vote(q.id, i, ("yes", None)[i % 2], "") for i in range(m)) for q in questions}


def test_an_answer_needs_enough_records() -> None:
    three_of_four = Witness([FULL, FULL, FULL, None])
    asked = Programs(per_image=4).tasks(IMAGES, three_of_four, "silver/3", 0)  # type: ignore[arg-type]
    about = Counter(one.question.image.id for one in asked)
    assert about.total() == 8 and set(about) == {"one", "two"}
    for one in asked:
        assert one.result.answer == answer(one.question.text, FULL)
        assert one.result.confidence == 0.75 and one.result.votes == 0 and one.votes == ()
        assert [evidence.finding is None for evidence in one.evidence] == [False, False, False, True]
        assert one.question.id.startswith("silver/3/")
    assert Programs(sure=0.8).tasks(IMAGES, three_of_four, "silver/3", 0) == []  # type: ignore[arg-type]


def test_records_that_are_silent_count_against_an_answer() -> None:
    # All records see a car and a dog; one says that there is nothing else.
    witness = Witness([FULL, PARTLY, PARTLY, PARTLY])
    asked = Programs(per_image=8).tasks(IMAGES, witness, "t", 0)  # type: ignore[arg-type]
    assert asked
    assert all(one.result.confidence == 1.0 for one in asked)
    assert all(answer(one.question.text, PARTLY) is not None for one in asked)


def test_nothing_is_asked_where_records_agree_on_nothing() -> None:
    assert Programs().tasks(IMAGES, Witness([None, FULL]), "t", 0) == []  # type: ignore[arg-type]


def test_the_same_seed_asks_the_same() -> None:
    witness: Any = Witness([FULL])
    first, again, other = (Programs(per_image=6).tasks(IMAGES, witness, "t", seed) for seed in (1, 1, 2))
    assert first == again != other


def test_votes_say_how_hard_a_question_is() -> None:
    source = Programs(votes=4, skills=("existence",), wordings="first", families=("exists",))
    asked = source.tasks(IMAGES, Witness([FULL]), "t", 0)  # type: ignore[arg-type]
    assert asked
    for one in asked:
        assert len(one.votes) == one.result.votes == 4 and one.result.unboxed == 2
        assert one.result.answer == answer(one.question.text, FULL)
        assert one.question.text.startswith("is there a ")
    assert [request.kind for request in source.requests()][-1] == "votes"


def test_a_family_is_named_rightly() -> None:
    assert isinstance(read_component("task_source", "programs"), Programs)
    with pytest.raises(ValidationError, match=r"no family 'cuont'.*did you mean 'count'"):
        Programs(families=("cuont",))


def test_a_false_premise_is_declined_by_evidence_and_passes_the_gate() -> None:
    source = Programs(per_image=4, skills=("premise",))
    asked = source.tasks(IMAGES, Witness([FULL, FULL, FULL, FULL]), "t", 0)  # type: ignore[arg-type]
    assert asked and {one.result.answer for one in asked} == {"unknown"}
    assert {one.question.skill.split("/")[0] for one in asked} == {"premise"}
    assert Answered(max_refusals=0.25).reject(asked, None) == {}  # type: ignore[arg-type]
    # A majority that declines beside evidence that says nothing, or something else, is none.
    for findings in ((), (None, None), ("yes", None)):
        voted = [replace(one, evidence=tuple(Evidence("", finding) for finding in findings)) for one in asked]
        assert len(Answered().reject(voted, None)) == len(asked)  # type: ignore[arg-type]
    # A record that does not list everything denies nothing.
    assert source.tasks(IMAGES, Witness([PARTLY] * 4), "t", 0) == []  # type: ignore[arg-type]
