"""Answers computed from what is listed, and votes held against them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import ReasonerSettings
from visplay.interfaces.engine import Sampling
from visplay.lab import oracle
from visplay.lab.language import Kind, write
from visplay.lab.questions import careless_query, random_query
from visplay.lab.scene import random_scene
from visplay.labeling.labelers.facts import Facts, answer_from, checked
from visplay.labeling.language import read_meaning
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Completion, ImageRef, Question, Request, VoteResult

COMPUTED: tuple[Kind, ...] = ("color", "shape", "exists", "absent", "count", "more")


@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from(COMPUTED), st.booleans())
def test_a_perfect_list_gives_the_true_answer(seed: int, count: int, kind: Kind, careless: bool) -> None:
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, count, sizes=(0.04, 0.08))
    query = careless_query(kind, scene, rng) if careless else random_query(kind, scene, rng)
    if query is not None:
        meaning = read_meaning(write(query, rng))
        assert meaning is not None
        computed = answer_from([f"{t.color} {t.shape}" for t in scene.things], meaning, complete=True)
        # A list names things. Whether a name is that of a shape, no list says.
        assert computed == (None if meaning.word == "shape" else oracle.answer(query, scene))


@pytest.mark.parametrize(
    "question, answer",
    [
        ("how many cars are there?", "3"),
        ("how many red cars are there?", "2"),
        ("is there a man?", "yes"),
        ("is there no hat?", "no"),
        ("are there more cars than dogs?", "yes"),
        ("what color is the bus?", "gray"),
        ("what color is the car?", None),  # there are three
        ("what color is the hat?", None),  # nobody said
        ("what color is the horse?", None),  # there is none
        ("what material is the bus?", None),
        ("what is the brown object?", None),  # any of those without a colour may be brown
        ("how many people are there?", "1"),
        ("how many trees are there?", None),  # more than one
        ("how many small dogs are there?", None),  # the dog may be small
        ("is there an animal?", None),
        ("is the dog left of the bus?", None),
    ],
)
def test_a_whole_list_settles_what_it_speaks_of(question: str, answer: str | None) -> None:
    meaning = read_meaning(question)
    assert meaning is not None
    facts = ["two red cars", "a blue car", "brown dog", "grey bus", "man with a hat", "and some trees", "0 horses"]
    assert answer_from(facts, meaning, complete=True) == answer


def test_a_name_is_told_without_what_was_asked() -> None:
    meaning = read_meaning("what is the red object?")
    assert meaning is not None
    assert answer_from(["big red fire truck", "gray bus"], meaning, complete=True) == "fire truck"
    assert answer_from(["red thing", "gray bus"], meaning, complete=True) is None


def test_an_empty_whole_list_is_a_list() -> None:
    meaning = read_meaning("is there a dog?")
    assert meaning is not None
    assert answer_from([], meaning, complete=True) == "no"
    assert answer_from(["..."], meaning, complete=True) == "no"


@pytest.mark.parametrize(
    "computed, answer, confidence",
    [
        (["2", "2", "2", "2"], "2", 0.75),
        (["two", "2", "3", None], "2", 0.5),
        (["3", "3", "3", "2"], None, 0.0),
        ([None, None], "2", 0.75),
        ([], "2", 0.75),
    ],
)
def test_what_is_computed_confirms_or_refutes(
    computed: list[str | None], answer: str | None, confidence: float
) -> None:
    assert checked(VoteResult("q", "2", 0.75, 8, 1), computed) == VoteResult("q", answer, confidence, 8, 1)


def test_no_list_makes_up_for_a_missing_answer() -> None:
    silent = VoteResult("q", None, 0.0, 8, 8)
    assert checked(silent, ["2", "2"]) == silent


class Seer:
    """An engine that lists a red car and gives every question the same answer; it keeps the requests."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.asked += requests
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        text = "<facts>red car</facts>" if request.prompt == "list" else f"\\boxed{{{self.answer}}}"
        return Completion(request.id, index, (1,), (0.0,), text, True)


def test_votes_at_odds_with_the_lists_give_no_silver_answer() -> None:
    engine = Seer("red")
    prompts = Prompts(questioner="ask", reasoner="{question}", facts="list", learned=True)
    reasoner = Reasoner(engine, prompts, ReasonerSettings(), 0)
    image = ImageRef("p", b"")
    texts = ("what color is the car?", "is there a car?", "who drives?")
    questions = [Question(f"q{n}", image, "open", text) for n, text in enumerate(texts)]
    candidates = Facts(augmentations=("plain", "recoloured"), lists=4).label(questions, 8, reasoner)
    assert [c.result.answer for c in candidates] == ["red", None, "red"]
    assert [c.result.confidence for c in candidates] == [1.0, 0.0, 1.0]
    assert all(len(c.votes) == 8 for c in candidates)
    assert [[e.finding for e in c.evidence] for c in candidates] == [["red"] * 4, ["yes"] * 4, []], "it is recorded"
    assert {e.text for c in candidates for e in c.evidence} == {"red car"}
    lists = [r for r in engine.asked if r.prompt == "list"]
    assert [(r.image.id, r.n) for r in lists] == [("p", 4)], "once per image, and not in other colours"


def test_where_nothing_is_plain_nothing_is_listed() -> None:
    engine = Seer("red")
    prompts = Prompts(questioner="ask", reasoner="{question}", facts="list", learned=True)
    reasoner = Reasoner(engine, prompts, ReasonerSettings(), 0)
    labeler = Facts(augmentations=("plain",), lists=4)
    (one,) = labeler.label([Question("q", ImageRef("p", b""), "open", "who drives?")], 8, reasoner)
    assert one.result.answer == "red" and [r.prompt for r in engine.asked] == ["who drives?"]
