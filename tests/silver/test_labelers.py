"""From answers to silver answers: which looks each labeler takes, and what counts how much."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import ReasonerSettings, Sampling, SilverSettings
from visplay.records import Completion, Picture, Question, Request, Tally, View, Vote
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner, tally
from visplay.silver.labelers import make_labeler
from visplay.silver.labelers.facts import Facts
from visplay.silver.labelers.majority import Majority
from visplay.silver.labelers.weighted import Weighted, weighted_tally

NAMES: tuple[str, ...] = get_args(SilverSettings.model_fields["labeler"].annotation)
VIEWS: tuple[View, ...] = get_args(View)
DOGS = Question("dogs", Picture("p", b""), "open", "how many dogs are there?")


class Beholder:
    """An engine that says what `say` makes of a request, as surely as that is; it keeps the requests."""

    def __init__(self, say: Callable[[Request, int], tuple[str, float]]) -> None:
        self.say = say
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.asked += requests
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        text, logprob = self.say(request, index)
        return Completion(request.id, index, (1, 2), (logprob, logprob), text, True)


def reasoner(engine: Beholder) -> Reasoner:
    prompts = Prompts(questioner="ask", reasoner="{question}", facts="list", learned=True)
    return Reasoner(engine, prompts, ReasonerSettings(), 0)


def three(request: Request, index: int) -> tuple[str, float]:
    return "\\boxed{3}", 0.0


def asked(text: str, views: Sequence[View], votes: int) -> dict[str, int]:
    """How often each look at the picture was answered from."""
    engine = Beholder(three)
    (one,) = Majority(reasoner(engine), views).label([Question("q", Picture("p", b""), "open", text)], votes)
    assert [vote.index for vote in one.votes] == list(range(votes))
    taken = {request.picture.id: request.n for request in engine.asked}
    assert Counter("p" if v.view == "plain" else f"p~{v.view}" for v in one.votes) == taken
    return taken


def test_a_labeler_goes_by_its_name() -> None:
    kinds = {"majority": Majority, "views": Majority, "weighted": Weighted, "facts": Facts}
    made = {name: make_labeler(SilverSettings(labeler=name), reasoner(Beholder(three))) for name in NAMES}
    assert {name: type(one) for name, one in made.items()} == kinds


def test_the_majority_of_the_paper_looks_at_the_picture_alone() -> None:
    engine = Beholder(three)
    settings = SilverSettings(labeler="majority", views=("darker", "smaller"))
    (one,) = make_labeler(settings, reasoner(engine)).label([DOGS], 8)
    assert [(request.picture, request.n) for request in engine.asked] == [(DOGS.picture, 8)]
    assert one.tally == Tally("dogs", "3", 1.0, 8, 0)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "majority"])
def test_the_others_look_as_the_settings_say(name: str) -> None:
    engine = Beholder(three)
    settings = SilverSettings(labeler=name, views=("darker", "smaller"))
    make_labeler(settings, reasoner(engine)).label([DOGS], 8)
    assert {r.picture.id: r.n for r in engine.asked if r.prompt != "list"} == {"p~darker": 4, "p~smaller": 4}


@given(st.integers(1, 20), st.lists(st.sampled_from(VIEWS), min_size=1, max_size=6))
def test_votes_are_dealt_out_to_the_views_in_turn(votes: int, views: list[View]) -> None:
    dealt = Counter(views[n % len(views)] for n in range(votes))
    expected = {"p" if view == "plain" else f"p~{view}": number for view, number in dealt.items()}
    assert asked("how many dogs are there?", views, votes) == expected


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("is the dog left of the cat?", "mirrored"),
        ("what does the sign say?", "mirrored"),
        ("what color is the dog?", "recoloured"),
        ("is there a red dog?", "recoloured"),
        ("which is it?\nA. the grey cat\nB. the dog", "recoloured"),
    ],
)
def test_a_view_that_could_change_the_answer_gives_way_to_the_picture(text: str, instead: str) -> None:
    views: tuple[View, ...] = ("plain", "mirrored", "recoloured")
    left = {f"p~{view}": 3 for view in views[1:] if view != instead}
    assert asked(text, views, 9) == {"p": 6, **left}
    assert asked("how many dogs are there?", views, 9) == {"p": 3, "p~mirrored": 3, "p~recoloured": 3}


def test_what_only_one_look_suggests_is_outvoted() -> None:
    engine = Beholder(lambda request, index: ("\\boxed{4}" if request.picture.id == "p" else "\\boxed{3}", 0.0))
    labelers = {
        name: make_labeler(SilverSettings(labeler=name, views=("plain", "darker", "smaller")), reasoner(engine))
        for name in ("majority", "views")
    }
    found = {name: labeler.label([DOGS], 6)[0].tally for name, labeler in labelers.items()}
    assert (found["majority"].answer, found["majority"].confidence) == ("4", 1.0)
    assert (found["views"].answer, found["views"].confidence) == ("3", pytest.approx(2 / 3))


def test_a_sure_minority_outweighs_an_unsure_majority() -> None:
    engine = Beholder(lambda request, index: ("\\boxed{3}", math.log(0.9)) if index < 3 else ("4?", math.log(0.1)))
    unsure = Beholder(lambda request, index: ("\\boxed{3}" if index < 3 else "\\boxed{4}", (-0.1, -2.0)[index >= 3]))
    (one,) = Weighted(reasoner(unsure), ("plain",)).label([DOGS], 8)
    three_weighs, four_weighs = 3 * math.exp(-0.1), 5 * math.exp(-2.0)
    assert one.tally.answer == "3"
    assert one.tally.confidence == pytest.approx(three_weighs / (three_weighs + four_weighs))
    assert tally(DOGS, one.votes).answer == "4"
    (one,) = Weighted(reasoner(engine), ("plain",)).label([DOGS], 8)
    assert one.tally == Tally("dogs", "3", pytest.approx(2.7 / 3.2), 8, 5), "what is not boxed weighs too"


ANSWERS = st.lists(st.none() | st.sampled_from(["3", "three", "3 dogs", "4", "red", "unknown"]), max_size=10)


@given(ANSWERS, st.floats(-5, 0))
def test_answers_that_are_equally_sure_are_counted(answers: list[str | None], logprob: float) -> None:
    votes = [Vote("dogs", n, answer, "", logprob=logprob) for n, answer in enumerate(answers)]
    weighed, counted = weighted_tally(DOGS, votes), tally(DOGS, votes)
    assert (weighed.answer, weighed.votes, weighed.unboxed) == (counted.answer, counted.votes, counted.unboxed)
    assert weighed.confidence == pytest.approx(counted.confidence)


@pytest.mark.parametrize("name", NAMES)
def test_questions_stay_in_order_and_votes_with_their_question(name: str) -> None:
    def own(request: Request, index: int) -> tuple[str, float]:
        return ("<facts></facts>", 0.0) if request.prompt == "list" else (f"\\boxed{{{request.prompt}}}", -0.5)

    pictures = [Picture(f"p{n}", b"") for n in range(3)]
    texts = ("is there a dog?", "why is the left one red?", "is there a cat?", "who is it?")
    questions = [Question(f"{n}{p.id}", p, "open", text) for p in pictures for n, text in enumerate(texts)][::-1]
    labeler = make_labeler(
        SilverSettings(labeler=name, views=("plain", "mirrored", "recoloured")), reasoner(Beholder(own))
    )
    candidates = labeler.label(questions, 7)
    assert [c.question for c in candidates] == questions
    for one in candidates:
        assert {vote.question_id for vote in one.votes} == {one.tally.question_id} == {one.question.id}
        assert {vote.answer for vote in one.votes} == {one.question.text} and len(one.votes) == one.tally.votes == 7
    assert labeler.label([], 7) == []
