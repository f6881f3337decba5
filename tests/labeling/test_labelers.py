"""From answers to silver answers: which looks each labeler takes, and what counts how much."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visplay.labeling.labelers.weighted import Weighted, weighted_result

from visplay.config import ReasonerSettings, SilverSettings
from visplay.interfaces.engine import Sampling
from visplay.labeling.labelers import make_labeler
from visplay.labeling.labelers.facts import Facts
from visplay.labeling.labelers.majority import Majority, count_votes
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Augmentation, Completion, ImageRef, Question, Request, Vote, VoteResult

NAMES: tuple[str, ...] = get_args(SilverSettings.model_fields["labeler"].annotation)
VIEWS: tuple[Augmentation, ...] = get_args(Augmentation)
DOGS = Question("dogs", ImageRef("p", b""), "open", "how many dogs are there?")


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


def asked(text: str, augmentations: Sequence[Augmentation], votes: int) -> dict[str, int]:
    """How often each look at the image was answered from."""
    engine = Beholder(three)
    (one,) = Majority(reasoner(engine), augmentations).label([Question("q", ImageRef("p", b""), "open", text)], votes)
    assert [vote.index for vote in one.votes] == list(range(votes))
    taken = {request.image.id: request.n for request in engine.asked}
    assert Counter("p" if v.augmentation == "plain" else f"p~{v.augmentation}" for v in one.votes) == taken
    return taken


def test_a_labeler_goes_by_its_name() -> None:
    kinds = {"majority": Majority, "augmentations": Majority, "weighted": Weighted, "facts": Facts}
    made = {name: make_labeler(SilverSettings(labeler=name), reasoner(Beholder(three))) for name in NAMES}
    assert {name: type(one) for name, one in made.items()} == kinds


def test_the_majority_of_the_paper_looks_at_the_image_alone() -> None:
    engine = Beholder(three)
    settings = SilverSettings(labeler="majority", augmentations=("darker", "smaller"))
    (one,) = make_labeler(settings, reasoner(engine)).label([DOGS], 8)
    assert [(request.image, request.n) for request in engine.asked] == [(DOGS.image, 8)]
    assert one.result == VoteResult("dogs", "3", 1.0, 8, 0)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "majority"])
def test_the_others_look_as_the_settings_say(name: str) -> None:
    engine = Beholder(three)
    settings = SilverSettings(labeler=name, augmentations=("darker", "smaller"))
    make_labeler(settings, reasoner(engine)).label([DOGS], 8)
    assert {r.image.id: r.n for r in engine.asked if r.prompt != "list"} == {"p~darker": 4, "p~smaller": 4}


@given(st.integers(1, 20), st.lists(st.sampled_from(VIEWS), min_size=1, max_size=6))
def test_votes_are_dealt_out_to_the_views_in_turn(votes: int, augmentations: list[Augmentation]) -> None:
    dealt = Counter(augmentations[n % len(augmentations)] for n in range(votes))
    expected = {
        "p" if augmentation == "plain" else f"p~{augmentation}": number for augmentation, number in dealt.items()
    }
    assert asked("how many dogs are there?", augmentations, votes) == expected


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
def test_a_view_that_could_change_the_answer_gives_way_to_the_image(text: str, instead: str) -> None:
    augmentations: tuple[Augmentation, ...] = ("plain", "mirrored", "recoloured")
    left = {f"p~{augmentation}": 3 for augmentation in augmentations[1:] if augmentation != instead}
    assert asked(text, augmentations, 9) == {"p": 6, **left}
    assert asked("how many dogs are there?", augmentations, 9) == {"p": 3, "p~mirrored": 3, "p~recoloured": 3}


def test_what_only_one_look_suggests_is_outvoted() -> None:
    engine = Beholder(lambda request, index: ("\\boxed{4}" if request.image.id == "p" else "\\boxed{3}", 0.0))
    labelers = {
        name: make_labeler(SilverSettings(labeler=name, augmentations=("plain", "darker", "smaller")), reasoner(engine))
        for name in ("majority", "augmentations")
    }
    found = {name: labeler.label([DOGS], 6)[0].result for name, labeler in labelers.items()}
    assert (found["majority"].answer, found["majority"].confidence) == ("4", 1.0)
    assert (found["augmentations"].answer, found["augmentations"].confidence) == ("3", pytest.approx(2 / 3))


def test_a_sure_minority_outweighs_an_unsure_majority() -> None:
    engine = Beholder(lambda request, index: ("\\boxed{3}", math.log(0.9)) if index < 3 else ("4?", math.log(0.1)))
    unsure = Beholder(lambda request, index: ("\\boxed{3}" if index < 3 else "\\boxed{4}", (-0.1, -2.0)[index >= 3]))
    (one,) = Weighted(reasoner(unsure), ("plain",)).label([DOGS], 8)
    three_weighs, four_weighs = 3 * math.exp(-0.1), 5 * math.exp(-2.0)
    assert one.result.answer == "3"
    assert one.result.confidence == pytest.approx(three_weighs / (three_weighs + four_weighs))
    assert count_votes(DOGS, one.votes).answer == "4"
    (one,) = Weighted(reasoner(engine), ("plain",)).label([DOGS], 8)
    assert one.result == VoteResult("dogs", "3", pytest.approx(2.7 / 3.2), 8, 5), "what is not boxed weighs too"


ANSWERS = st.lists(st.none() | st.sampled_from(["3", "three", "3 dogs", "4", "red", "unknown"]), max_size=10)


@given(ANSWERS, st.floats(-5, 0))
def test_answers_that_are_equally_sure_are_counted(answers: list[str | None], logprob: float) -> None:
    votes = [Vote("dogs", n, answer, "", logprob=logprob) for n, answer in enumerate(answers)]
    weighed, counted = weighted_result(DOGS, votes), count_votes(DOGS, votes)
    assert (weighed.answer, weighed.votes, weighed.unboxed) == (counted.answer, counted.votes, counted.unboxed)
    assert weighed.confidence == pytest.approx(counted.confidence)


@pytest.mark.parametrize("name", NAMES)
def test_questions_stay_in_order_and_votes_with_their_question(name: str) -> None:
    def own(request: Request, index: int) -> tuple[str, float]:
        return ("<facts></facts>", 0.0) if request.prompt == "list" else (f"\\boxed{{{request.prompt}}}", -0.5)

    images = [ImageRef(f"p{n}", b"") for n in range(3)]
    texts = ("is there a dog?", "why is the left one red?", "is there a cat?", "who is it?")
    questions = [Question(f"{n}{p.id}", p, "open", text) for p in images for n, text in enumerate(texts)][::-1]
    labeler = make_labeler(
        SilverSettings(labeler=name, augmentations=("plain", "mirrored", "recoloured")), reasoner(Beholder(own))
    )
    candidates = labeler.label(questions, 7)
    assert [c.question for c in candidates] == questions
    for one in candidates:
        assert {vote.question_id for vote in one.votes} == {one.result.question_id} == {one.question.id}
        assert {vote.answer for vote in one.votes} == {one.question.text} and len(one.votes) == one.result.votes == 7
    assert labeler.label([], 7) == []
