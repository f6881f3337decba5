"""Each gate rejects what it is there for, says why, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import ReasonerSettings
from visplay.interfaces.component import components
from visplay.interfaces.engine import Sampling
from visplay.interfaces.gate import Gate
from visplay.labeling.gates.answered import Answered
from visplay.labeling.gates.band import Band
from visplay.labeling.gates.boxed import Boxed
from visplay.labeling.gates.needs_image import NeedsImage
from visplay.labeling.gates.parsable import Parsable
from visplay.labeling.gates.self_check import SelfCheck
from visplay.labeling.labelers.majority import count_votes
from visplay.labeling.synthesis import apply_gates
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Candidate, Completion, ImageRef, Question, Request, Vote


def candidate(name: str, answers: Sequence[str | None], text: str = "what?") -> Candidate:
    question = Question(name, ImageRef(f"image of {name}", b""), "open", text)
    votes = tuple(Vote(name, index, answer, "") for index, answer in enumerate(answers))
    return Candidate(question, votes, count_votes(question, votes))


class Words:
    """An engine that answers by a rule of image and prompt."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.completions = 0

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.completions += sum(request.n for request in requests)
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        answer = self.answers.get(request.prompt, request.image.id)
        return Completion(request.id, index, (1,), (0.0,), f"\\boxed{{{answer}}}", True)


def reasoner(answers: dict[str, str]) -> Reasoner:
    prompts = Prompts(questioner="ask", reasoner="{question}", learned=True)
    return Reasoner(Words(answers), prompts, ReasonerSettings(), 0)


VOTER = reasoner({})
"""Answers every question with the name of the image; most gates ask it nothing."""


def test_the_band_keeps_what_is_neither_hopeless_nor_known() -> None:
    shares = {"none": 1, "low": 3, "high": 5, "all": 8}
    candidates = [candidate(n, ["red"] * k + [f"other {i}" for i in range(8 - k)]) for n, k in shares.items()]
    assert Band(low=0.3, high=0.7).reject(candidates, VOTER).keys() == {"none", "all"}


def test_a_question_that_leaves_answers_unboxed_is_no_hard_question() -> None:
    unboxed = {"none": 0, "two": 2, "three": 3, "all but one": 7}
    candidates = [candidate(n, [None] * k + ["red"] * (8 - k)) for n, k in unboxed.items()]
    assert Boxed().reject(candidates, VOTER) == {
        "three": "3 of 8 votes have no box or were cut off",
        "all but one": "7 of 8 votes have no box or were cut off",
    }
    assert Boxed(max_unboxed=1).reject(candidates, VOTER) == {}
    assert Boxed(max_unboxed=0).reject([replace(candidates[0], votes=())], VOTER) == {}, "a labeler without votes"


@given(st.integers(0, 8), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_what_passes_the_band_is_within_it(agreeing: int, one: float, other: float, corrected: bool) -> None:
    low, high = sorted((one, other))
    asked = candidate("q", ["red"] * agreeing + [None] * (8 - agreeing))
    rejected = Band(low=low, high=high, chance_corrected=corrected).reject([asked], VOTER)
    assert (low <= agreeing / 8 <= high) is not bool(rejected), "colours cannot be counted, so no chance is taken off"


def test_half_of_the_votes_on_yes_is_a_coin() -> None:
    coin = candidate("coin", ["yes"] * 5 + ["no"] * 3)
    sure = candidate("sure", ["yes"] * 7 + ["no"])
    colour = candidate("colour", ["red"] * 5 + ["blue"] * 3)
    assert Band(low=0.6, high=0.95).reject([coin, sure, colour], VOTER) == {}
    (reason,) = Band(low=0.6, high=0.95, chance_corrected=True).reject([coin, sure, colour], VOTER).items()
    assert reason == ("coin", "confidence 0.62, 0.25 above chance, outside 0.6 to 0.95")


def test_refusals_are_no_answers_and_many_of_them_cast_doubt() -> None:
    refused = candidate("refused", ["unknown"] * 3 + ["red"])
    doubted = candidate("doubted", ["red"] * 5 + ["unknown", "cannot be determined", "red"])
    clear = candidate("clear", ["red"] * 7 + ["unknown"])
    everyone = [refused, doubted, clear]
    assert Answered().reject(everyone, VOTER) == {"refused": "the majority declines to answer"}
    assert Answered(max_refusals=0.2).reject(everyone, VOTER) == {
        "refused": "the majority declines to answer",
        "doubted": "2 of 8 votes decline to answer",
    }


def test_what_any_image_answers_alike_does_not_need_the_image() -> None:
    no_image = [candidate(f"no_image {n}", ["four"] * 4, text="how many legs has a cat?") for n in range(3)]
    # These are answered with the name of the image, so that elsewhere they are answered otherwise.
    seeing = [candidate(f"seeing {n}", [f"image of seeing {n}"] * 4) for n in range(3)]
    voter = reasoner({"how many legs has a cat?": "4"})
    assert NeedsImage(votes=4, max_agreement=0.5).reject([*no_image, *seeing], voter) == {
        c.question.id: "4 of 4 other images give the same answer" for c in no_image
    }


def test_without_another_image_nothing_can_be_said() -> None:
    assert NeedsImage().reject([candidate("alone", ["red"])], VOTER) == {}
    assert NeedsImage().reject([], VOTER) == {}


def test_only_a_gate_that_looks_at_other_questions_compares() -> None:
    gates = components("gate")
    assert {name: gate.compares for name, gate in gates.items() if issubclass(gate, Gate)} == {
        name: name == "needs_image" for name in gates
    }


@pytest.mark.parametrize("questions", [1, 2, 5])
def test_a_gate_asks_no_more_than_it_says(questions: int) -> None:
    """`visplay plan` counts what the gates say."""
    images = [ImageRef(f"p{n}", b"") for n in range(7)]
    asked = [
        replace(candidate(f"{image.id}/{n}", ["red"] * 8), question=Question(f"{image.id}/{n}", image, "open", text))
        for image in images
        for n, text in enumerate(
            [f"what color is the {name}?" for name in ("dog", "cat", "cow", "car", "bus")[:questions]]
        )
    ]
    for gate in (
        Parsable(),
        Answered(),
        Band(),
        NeedsImage(votes=3),
        SelfCheck(votes=3, augmentations=("plain", "darker")),
    ):
        voter = reasoner({})
        gate.reject(asked, voter)
        said = gate.requests(questions)
        completions = sum(extra.versions * extra.completions for extra in said) * len(images)
        assert voter.engine.completions <= completions, gate.name  # type: ignore[attr-defined]
        assert bool(voter.engine.completions) == bool(said)  # type: ignore[attr-defined]


def test_a_question_is_rejected_by_the_first_gate_that_minds_and_later_ones_never_see_it() -> None:
    silent = candidate("silent", [None] * 8)
    refused = candidate("refused", ["unknown"] * 8)
    split = candidate("split", ["red"] * 4 + ["blue"] * 4)
    yes = [candidate(f"yes {n}", ["yes"] * 8) for n in range(2)]
    everyone = [silent, refused, split, *yes]
    passed, rejected = apply_gates([Answered(), Band(low=0.6, high=1)], everyone, VOTER)
    assert passed == yes, "what has no answer is neither kept nor rejected"
    assert {name: gate for name, (gate, _) in rejected.items()} == {"refused": "answered", "split": "band"}
    assert rejected["split"][1] == "confidence 0.50 outside 0.6 to 1"
    assert apply_gates([], everyone, VOTER) == ([refused, split, *yes], {})


def test_what_is_not_asked_in_plain_words_is_left_out() -> None:
    slip, asked = (
        candidate("slip", ["red"], "what color of the shape?"),
        candidate("asked", ["red"], "what color is it?"),
    )
    plain = candidate("plain", ["red"], "what color is the small dog?")
    assert Parsable().reject([slip, plain, asked], VOTER) == {
        "slip": "'what color of the shape?' is not in the grammar",
        "asked": "'what color is it?' is not in the grammar",
    }
