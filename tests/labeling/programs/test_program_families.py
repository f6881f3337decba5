"""What a family writes, it reads; no other family reads it with another answer; and nothing is made up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.labeling.programs.record_strategies import records
from visplay.answers import match
from visplay.labeling.programs.answering import FAMILIES, answer, readings
from visplay.labeling.programs.asking import drawn, programs
from visplay.labeling.programs.family import Draft
from visplay.labeling.records.schema import Chart, Document, Record, Scene, Series, Thing

seeds = st.integers(0, 2**32 - 1)
ALL = [family for families in FAMILIES.values() for family in families]


def test_there_are_many_families_with_several_wordings() -> None:
    assert len(ALL) >= 40
    assert len({family.name for family in ALL}) == len(ALL)
    assert {family.hops for family in ALL} == {1, 2, 3}
    assert np.mean([len(family.wordings) > 1 for family in ALL]) > 0.9
    assert all((wording.names and set(wording.names)) or True for family in ALL for wording in family.wordings)


@settings(max_examples=50)
@given(records, seeds)
def test_every_wording_is_answered_as_the_program(record: Record, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for family in FAMILIES[record.kind]:
        for program in drawn(family, Draft(record, rng, ("green cat",)))[:2]:
            for wording in program.wordings:
                said = answer(wording, record, premises=family.skill == "premise")
                assert said is not None and match(said, program.answer), (family.name, wording, said, program.answer)


@settings(max_examples=100)
@given(records, seeds)
def test_no_family_reads_the_wording_of_another_with_another_answer(record: Record, seed: int) -> None:
    for program in programs(record, np.random.default_rng(seed), 6, options=0):
        for wording in program.wordings:
            others = {family.name: family.rule(record, **values) for family, values in readings(wording, record.kind)}
            assert program.family in others
            assert all(said is None or match(said, program.answer) for said in others.values())


@given(st.text(max_size=320), records)
def test_any_text_is_answered_or_not(text: str, record: Record) -> None:
    said = answer(text, record)
    assert said is None or said.strip()


@settings(max_examples=30)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True), seeds)
def test_labels_of_any_spelling_do_no_harm(labels: list[str], seed: int) -> None:
    values = {label: float(place) for place, label in enumerate(labels)}
    things = tuple(Thing(name=label, attributes={label: label}, text=label) for label in labels)
    for record in (
        Chart(form="bar chart", title=labels[0], unit=labels[-1][:3], series=(Series(values=values),)),
        Document(fields=dict.fromkeys(labels, "x"), header=tuple(labels), rows=(tuple(labels), tuple(labels[::-1]))),
        Scene(things=things, complete=("thing",)),
    ):
        for program in programs(record, np.random.default_rng(seed), 6):
            assert {answer(wording, record) for wording in program.wordings} == {program.answer}


@pytest.mark.parametrize("record", [Scene(), Chart(), Document()])
def test_an_empty_record_denies_nothing(record: Record) -> None:
    assert programs(record, np.random.default_rng(0), 20, nouns=("car", "red dog")) == []
