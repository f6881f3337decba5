"""Answers computed from records, and votes held against them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import ReasonerSettings
from visplay.interfaces.engine import Sampling
from visplay.labeling.labelers.records import Records, decided
from visplay.labeling.records.schema import Record, Scene
from visplay.labeling.synthesis import Synthesis
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Candidate, Completion, ImageRef, Question, Request, VoteResult

VOTED = VoteResult("q", "2", 0.75, 8, 1)
IMAGE = ImageRef("p", b"")


class Counting(Records):
    """Answers the question "cars" with the number of cars that a record gives."""

    def answer(self, question: str, record: Record) -> str | None:
        if question != "cars" or not isinstance(record, Scene):
            return None
        counts = [thing.count for thing in record.things if thing.name == "car"]
        return None if not counts or "several" in counts else str(sum(map(int, counts)))


class Seer:
    """An engine that writes these records in turn, and votes 2; it keeps the requests."""

    def __init__(self, *records: str) -> None:
        self.records = records
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.asked += requests
        written = iter(self.records * 100)
        return {r.id: tuple(self._complete(r, i, written) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int, written: object) -> Completion:
        text = next(written) if request.prompt == "record" else "\\boxed{2}"  # type: ignore[call-overload]
        return Completion(request.id, index, (1,), (0.0,), text.rstrip("…"), not text.endswith("…"))


def label(engine: Seer, *texts: str, **settings: object) -> list[Candidate]:
    prompts = Prompts(questioner="ask", reasoner="{question}", record="record", learned=True)
    questions = [Question(f"q{n}", IMAGE, "open", text) for n, text in enumerate(texts)]
    return Counting.model_validate(settings).label(questions, 8, Reasoner(engine, prompts, ReasonerSettings(), 0))


def test_what_the_records_say_overrules_the_votes_where_enough_of_them_say_it() -> None:
    (sure,) = label(Seer("3 cars"), "cars")
    (unsure,) = label(Seer("3 cars", "3 cars", "cars", "bus"), "cars")
    assert (sure.result.answer, sure.result.confidence) == ("3", 1.0)
    assert (unsure.result.answer, unsure.result.confidence) == (None, 0.0)
    assert [vote.answer for vote in sure.votes] == ["2"] * 8, "the votes say how hard the question is"
    (some,) = label(Seer("3 cars", "3 cars", "3 cars", "cars"), "cars")
    assert (some.result.answer, some.result.confidence) == ("3", 0.75)
    (strict,) = label(Seer("3 cars", "3 cars", "3 cars", "cars"), "cars", sure=0.8)
    assert strict.result.answer is None


def test_confidence_is_the_share_of_all_records() -> None:
    (one,) = label(Seer("2 cars", "2 cars", "many cars", "I see cars."), "cars")
    assert (one.result.answer, one.result.confidence) == ("2", 0.5), "the votes agree"
    assert [(e.text, e.finding, e.form) for e in one.evidence] == [
        ("2 cars", "2", "clean"),
        ("2 cars", "2", "clean"),
        ("many cars", None, "clean"),
        ("I see cars.", None, "unreadable"),
    ]
    (cut,) = label(Seer("2 cars, 1…"), "cars", sure=1.0)
    assert cut.result.answer == "2" and {e.form for e in cut.evidence} == {"repaired"}


def test_a_free_question_has_the_majority_or_no_answer() -> None:
    free, counted = label(Seer("2 cars"), "who drives?", "cars")
    assert (free.result.answer, free.result.confidence) == ("2", 1.0)
    free, counted = label(Seer("2 cars"), "who drives?", "cars", free="drop")
    assert (free.result.answer, counted.result.answer) == (None, "2")
    (silent,) = label(Seer("dog"), "cars", free="drop")
    assert silent.result.answer is None, "silence is not none"


@given(
    st.lists(st.none() | st.sampled_from(["2", "two", "3"]), max_size=8),
    st.none() | st.sampled_from(["2", "3"]),
    st.sampled_from([0.5, 0.75, 1.0]),
    st.sampled_from(["votes", "drop"]),
)
def test_an_answer_is_agreed_on_or_sure(
    computed: list[str | None], voted: str | None, sure: float, free: Literal["votes", "drop"]
) -> None:
    before = VoteResult("q", voted, 0.6 if voted else 0.0, 8, 1)
    after = decided(before, computed, sure, free)
    if not any(computed):
        assert after == (before if free == "votes" else VoteResult("q", None, 0.0, 8, 1))
    elif after.answer is not None:
        number = Counter("2" if answer == "two" else answer for answer in computed)["3" if after.answer == "3" else "2"]
        assert after.confidence == pytest.approx(number / len(computed))
        assert after.confidence >= sure or (after.answer == "3") == (voted == "3")


def test_records_are_asked_once_per_image_where_nothing_moves_and_no_more_than_the_labeler_says() -> None:
    engine = Seer("2 cars")
    label(engine, "cars", "who?", augmentations=("plain", "smaller", "darker", "recoloured"), records=6)
    records = [request for request in engine.asked if request.prompt == "record"]
    assert [(request.image.id, request.n) for request in records] == [("p", 3), ("p~darker", 3)]
    assert {request.schema for request in engine.asked} == {""}, "this prompt asks for no JSON"
    _, extra = Counting(records=6, augmentations=("plain", "smaller", "darker")).requests(2, 8)
    assert (extra.kind, extra.versions, extra.prompts, extra.completions) == ("records", 2, 1, 3)


def test_a_prompt_for_json_is_guided_by_the_schema() -> None:
    engine = Seer("2 cars")
    reasoner = Reasoner(engine, Prompts(), ReasonerSettings(), 0)
    Counting().label([Question("q", IMAGE, "open", "cars")], 1, reasoner)
    schemas = {request.prompt == Prompts().record: request.schema for request in engine.asked}
    assert schemas[False] == "" and "discriminator" in json.loads(schemas[True])


def test_how_the_records_were_written_is_counted_once_per_image() -> None:
    candidates = label(Seer("2 cars", '{"things": [{"name": "car",}]}', "unknown", "dog"), "cars", "who?")
    counted = Synthesis(2, 2, tuple(candidates), (), {}).statistics()["records"]
    assert counted == {"clean": 2, "repaired": 1, "unreadable": 1}
    assert "records" not in Synthesis(0, 0, (), (), {}).statistics()
