"""From answers to silver answers: which augmentations each labeler asks about, and which answer wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import ReasonerSettings
from visplay.interfaces.component import components
from visplay.interfaces.engine import Sampling
from visplay.interfaces.labeler import Labeler
from visplay.labeling.labelers.majority import Majority, count_votes
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Augmentation, Completion, ImageRef, Question, Request, Vote, VoteResult

# The labelers that ask the Reasoner for votes over augmentations of any image.
LABELERS = [
    labeler
    for labeler in components("labeler").values()
    if issubclass(labeler, Labeler) and "augmentations" in labeler.model_fields and labeler.type != "true_answers"
]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)
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


EXTRA = {"lists", "records"}
"""Prompts of what labelers ask beside the votes, which are their kinds of requests."""


def reasoner(engine: Beholder) -> Reasoner:
    prompts = Prompts(questioner="ask", reasoner="{question}", facts="lists", record="records", learned=True)
    return Reasoner(engine, prompts, ReasonerSettings(), 0)


def three(request: Request, index: int) -> tuple[str, float]:
    return "\\boxed{3}", 0.0


def asked(text: str, augmentations: Sequence[Augmentation], votes: int) -> dict[str, int]:
    """How often each look at the image was answered from."""
    engine = Beholder(three)
    labeler = Majority(augmentations=tuple(augmentations))
    (one,) = labeler.label([Question("q", ImageRef("p", b""), "open", text)], votes, reasoner(engine))
    assert [vote.index for vote in one.votes] == list(range(votes))
    taken: Counter[str] = Counter()
    for request in engine.asked:
        taken[request.image.id] += request.n
    assert Counter("p" if v.augmentation == "plain" else f"p~{v.augmentation}" for v in one.votes) == taken
    return taken


def test_the_majority_of_the_paper_looks_at_the_image_alone() -> None:
    engine = Beholder(three)
    (one,) = Majority().label([DOGS], 8, reasoner(engine))
    assert [(request.image, request.n) for request in engine.asked] == [(DOGS.image, 8)]
    assert one.result == VoteResult("dogs", "3", 1.0, 8, 0)


@pytest.mark.parametrize("labeler", LABELERS)
def test_votes_are_spread_over_the_augmentations_of_the_labeler(labeler: type[Labeler]) -> None:
    engine = Beholder(three)
    labeler(augmentations=("darker", "smaller")).label([DOGS], 8, reasoner(engine))
    assert {r.image.id: r.n for r in engine.asked if r.prompt == DOGS.text} == {"p~darker": 4, "p~smaller": 4}


@pytest.mark.parametrize("labeler", LABELERS)
@given(
    count=st.integers(1, 5),
    votes=st.integers(1, 9),
    chosen=st.sets(st.sampled_from(["plain", "darker", "smaller"]), min_size=1),
)
def test_a_labeler_asks_no_more_than_it_says(labeler: type[Labeler], count: int, votes: int, chosen: set[str]) -> None:
    """`visplay plan` counts what the labeler says; versions that take a vote less are counted in full."""
    engine = Beholder(three)
    made = labeler(augmentations=sorted(chosen))
    questions = [Question(f"q{n}", DOGS.image, "open", "how many dogs are there?") for n in range(count)]
    made.label(questions, votes, reasoner(engine))
    kinds = {"lists": "lists", "records": "records", DOGS.text: "votes"}
    for extra in made.requests(count, votes):
        asked = [r for r in engine.asked if kinds.get(r.prompt, "claims") == extra.kind]
        if extra.kind == "claims":  # each once per image, whatever questions make it
            assert 0 < len(asked) <= extra.versions * extra.prompts
            assert sum(r.n for r in asked) <= extra.versions * extra.completions
            continue
        assert len({r.image.id for r in asked}) == extra.versions
        assert len(asked) == extra.versions * extra.prompts
        completions = sum(r.n for r in asked)
        assert completions <= extra.versions * extra.completions < completions + extra.versions * extra.prompts
    assert {r.prompt for r in engine.asked} & EXTRA == {extra.kind for extra in made.requests(1, 1)} & EXTRA


@given(st.integers(1, 20), st.lists(st.sampled_from(AUGMENTATIONS), min_size=1, max_size=6))
def test_votes_are_dealt_out_to_the_augmentations_in_turn(votes: int, augmentations: list[Augmentation]) -> None:
    crops = ("shifted", "larger")  # a thing that is counted may be cut off
    used: list[Augmentation] = ["plain" if augmentation in crops else augmentation for augmentation in augmentations]
    dealt = Counter(used[n % len(used)] for n in range(votes))
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
def test_an_augmentation_that_could_change_the_answer_gives_way_to_the_image(text: str, instead: str) -> None:
    augmentations: tuple[Augmentation, ...] = ("plain", "mirrored", "recoloured")
    left = {f"p~{augmentation}": 3 for augmentation in augmentations[1:] if augmentation != instead}
    assert asked(text, augmentations, 9) == {"p": 6, **left}
    assert asked("how many dogs are there?", augmentations, 9) == {"p": 3, "p~mirrored": 3, "p~recoloured": 3}


def test_what_only_one_version_of_an_image_suggests_is_outvoted() -> None:
    engine = Beholder(lambda request, index: ("\\boxed{4}" if request.image.id == "p" else "\\boxed{3}", 0.0))
    (alone,) = Majority().label([DOGS], 6, reasoner(engine))
    (spread,) = Majority(augmentations=("plain", "darker", "smaller")).label([DOGS], 6, reasoner(engine))
    assert (alone.result.answer, alone.result.confidence) == ("4", 1.0)
    assert (spread.result.answer, spread.result.confidence) == ("3", pytest.approx(2 / 3))


@given(st.lists(st.none() | st.sampled_from(["3", "three", "3 dogs", "4", "red", "unknown"]), max_size=10))
def test_an_unboxed_vote_counts_in_the_total_alone(answers: list[str | None]) -> None:
    found = count_votes(DOGS, [Vote("dogs", n, answer, "") for n, answer in enumerate(answers)])
    assert (found.votes, found.unboxed) == (len(answers), answers.count(None))
    assert 0 <= found.confidence <= (len(answers) - found.unboxed) / max(len(answers), 1)
    assert (found.answer is None) == (found.unboxed == found.votes)


@pytest.mark.parametrize("labeler", LABELERS)
def test_questions_stay_in_order_and_votes_with_their_question(labeler: type[Labeler]) -> None:
    def own(request: Request, index: int) -> tuple[str, float]:
        return ("<facts></facts>", 0.0) if request.prompt in EXTRA else (f"\\boxed{{{request.prompt}}}", -0.5)

    images = [ImageRef(f"p{n}", b"") for n in range(3)]
    texts = ("is there a dog?", "why is the left one red?", "is there a cat?", "who is it?")
    questions = [Question(f"{n}{p.id}", p, "open", text) for p in images for n, text in enumerate(texts)][::-1]
    made, voter = labeler(augmentations=("plain", "mirrored", "recoloured")), reasoner(Beholder(own))
    candidates = made.label(questions, 7, voter)
    assert [c.question for c in candidates] == questions
    for one in candidates:
        assert {vote.question_id for vote in one.votes} == {one.result.question_id} == {one.question.id}
        assert {vote.answer for vote in one.votes} == {one.question.text} and len(one.votes) == one.result.votes == 7
    assert made.label([], 7, voter) == []
