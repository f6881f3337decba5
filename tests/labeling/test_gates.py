"""Each gate drops what it is there for, says why, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from visplay.labeling.gates.balance import Balance
from visplay.labeling.gates.new import New

from visplay.config import ReasonerSettings, SilverSettings
from visplay.interfaces.engine import Sampling
from visplay.labeling.apply_gates import apply_gates
from visplay.labeling.gates import make_gates
from visplay.labeling.gates.answered import Answered
from visplay.labeling.gates.band import Band
from visplay.labeling.gates.needs_image import NeedsImage
from visplay.labeling.gates.parsable import Plain
from visplay.labeling.labelers.majority import count_votes
from visplay.rl.rewards.diversity import bleu_matrix
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

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        answer = self.answers.get(request.prompt, request.image.id)
        return Completion(request.id, index, (1,), (0.0,), f"\\boxed{{{answer}}}", True)


def reasoner(answers: dict[str, str]) -> Reasoner:
    prompts = Prompts(questioner="ask", reasoner="{question}", learned=True)
    return Reasoner(Words(answers), prompts, ReasonerSettings(), 0)


def test_the_band_keeps_what_is_neither_hopeless_nor_known() -> None:
    shares = {"none": 1, "low": 3, "high": 5, "all": 8}
    candidates = [candidate(n, ["red"] * k + [f"other {i}" for i in range(8 - k)]) for n, k in shares.items()]
    assert Band(0.3, 0.7).dropped(candidates).keys() == {"none", "all"}


def test_half_of_the_votes_on_yes_is_a_coin() -> None:
    coin = candidate("coin", ["yes"] * 5 + ["no"] * 3)
    sure = candidate("sure", ["yes"] * 7 + ["no"])
    colour = candidate("colour", ["red"] * 5 + ["blue"] * 3)
    assert Band(0.6, 0.95).dropped([coin, sure, colour]) == {}
    (reason,) = Band(0.6, 0.95, corrected=True).dropped([coin, sure, colour]).items()
    assert reason == ("coin", "confidence 0.62, 0.25 above chance, outside 0.6 to 0.95")


def test_refusals_are_no_answers_and_many_of_them_cast_doubt() -> None:
    refused = candidate("refused", ["unknown"] * 3 + ["red"])
    doubted = candidate("doubted", ["red"] * 5 + ["unknown", "cannot be determined", "red"])
    clear = candidate("clear", ["red"] * 7 + ["unknown"])
    everyone = [refused, doubted, clear]
    assert Answered(1.0).dropped(everyone) == {"refused": "the majority declines to answer"}
    assert Answered(0.2).dropped(everyone).keys() == {"refused", "doubted"}


def test_what_any_image_answers_alike_does_not_need_the_image() -> None:
    no_image = [candidate(f"no_image {n}", ["four"] * 4, text="how many legs has a cat?") for n in range(3)]
    # These are answered with the name of the image, so that elsewhere they are answered otherwise.
    seeing = [candidate(f"seeing {n}", [f"image of seeing {n}"] * 4) for n in range(3)]
    gate = NeedsImage(reasoner({"how many legs has a cat?": "4"}), votes=4, most=0.5)
    assert gate.dropped([*no_image, *seeing]) == {
        c.question.id: "4 of 4 other images give the same answer" for c in no_image
    }


def test_without_another_image_nothing_can_be_said() -> None:
    assert NeedsImage(reasoner({}), votes=4, most=0.5).dropped([candidate("alone", ["red"])]) == {}


def test_no_answer_takes_more_than_its_share() -> None:
    yes = [candidate(f"yes {n}", ["yes"] * (n + 1) + ["no"] * (9 - n)) for n in range(5, 9)]
    rest = [candidate(f"rest {n}", [f"answer {n}"] * 8) for n in range(2)]
    # Four of six say yes; with a limit of a half two may stay, the most confident ones.
    assert Balance(0.5).dropped([*yes, *rest]).keys() == {"yes 5", "yes 6"}
    assert Balance(0.7).dropped([*yes, *rest]) == {}
    assert Balance(0.5).dropped([]) == {}


@pytest.mark.parametrize("most", [0.1, 0.34, 0.5, 1.0])
@pytest.mark.parametrize("sizes", [(1,), (9, 1), (5, 5, 5), (20, 4, 3, 1)])
def test_the_share_holds_for_what_is_left(sizes: tuple[int, ...], most: float) -> None:
    everyone = [candidate(f"{a}/{n}", [f"answer {a}"]) for a, size in enumerate(sizes) for n in range(size)]
    dropped = Balance(most).dropped(everyone)
    left = [c.result.answer for c in everyone if c.question.id not in dropped]
    counts = [left.count(answer) for answer in set(left)]
    assert max(counts) <= max(1, most * len(left))
    assert len(counts) == len(sizes), "no answer disappears"


HERE, THERE = ImageRef("here", b""), ImageRef("there", b"")
COLOR, PARAPHRASE = "what color is the big circle?", "what color is the big circle here?"


def asks(name: str, text: str, image: ImageRef = HERE, agreeing: int = 8) -> Candidate:
    """A question about an image, `agreeing` of its eight votes on one answer."""
    question = Question(name, image, "open", text)
    answers = ["red"] * agreeing + [f"other {i}" for i in range(8 - agreeing)]
    votes = tuple(Vote(name, index, answer, "") for index, answer in enumerate(answers))
    return Candidate(question, votes, count_votes(question, votes))


def test_a_image_is_not_asked_the_same_thing_twice() -> None:
    everyone = [asks("a", COLOR), asks("b", "how many dogs are there?"), asks("c", PARAPHRASE), asks("d", COLOR)]
    reason = f"this image was asked '{COLOR}'"
    assert New((), 0.5, 1.0).dropped(everyone) == {"c": reason, "d": reason}


def test_nor_what_an_earlier_iteration_asked_it() -> None:
    earlier = [Question("1/silver/here#0", HERE, "open", COLOR)]
    everyone = [asks("a", PARAPHRASE), asks("b", COLOR, THERE), asks("c", "how many dogs are there?")]
    assert New(earlier, 0.5, 1.0).dropped(everyone) == {"a": f"this image was asked '{COLOR}'"}


@pytest.mark.parametrize("text", ["why?", "what color?", "is it red?", COLOR])
def test_the_very_same_words_are_the_same_question_however_few(text: str) -> None:
    assert New([asks("old", text).question], 0.5, 1.0).dropped([asks("a", text)]).keys() == {"a"}
    assert New((), 0.5, 1.0).dropped([asks("a", text), asks("b", text)]).keys() == {"b"}


def test_what_one_batch_asked_does_not_count_against_the_next() -> None:
    gate = New([asks("old", COLOR).question], 0.5, 1.0)
    everyone = [asks("a", "how many dogs are there?"), asks("b", PARAPHRASE)]
    assert gate.dropped(everyone) == gate.dropped(everyone) == {"b": f"this image was asked '{COLOR}'"}
    assert gate.dropped([]) == {}


WORDS = ["what", "color", "size", "is", "the", "big", "red", "dog"]
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=4, max_size=7).map(" ".join)


@given(st.lists(SENTENCES, max_size=4), st.lists(SENTENCES, max_size=4))
def test_no_two_that_stay_are_near_duplicates(first: list[str], second: list[str]) -> None:
    earlier = left_of(first, [])
    left = [question.text for question in (*earlier, *left_of(second, earlier))]
    assert (np.triu(bleu_matrix(left), 1) <= 0.5).all()


def left_of(texts: list[str], earlier: list[Question]) -> list[Question]:
    everyone = [asks(str(n), text) for n, text in enumerate(texts)]
    dropped = New(earlier, 0.5, 1.0).dropped(everyone)
    return [c.question for c in everyone if c.question.id not in dropped]


def test_one_wording_may_take_its_share_of_the_set_and_the_least_sure_go_first() -> None:
    images = [ImageRef(f"p{n}", b"") for n in range(8)]
    same = [asks(f"same {n}", COLOR.upper() if n else COLOR, images[n], agreeing=n + 2) for n in range(4)]
    rest = [asks(f"rest {n}", f"how many {n}s are there?", images[n + 4]) for n in range(4)]
    reason = "2 questions ask this already"
    assert New((), 0.5, 0.25).dropped([*same, *rest]) == {"same 0": reason, "same 1": reason}
    assert New((), 0.5, 1.0).dropped([*same, *rest]) == {}
    assert New((), 0.5, 0.01).dropped(rest) == {}, "one of each is always left"


def test_gates_come_in_the_order_they_are_named() -> None:
    names = ("needs_image", "new", "answered", "consistent", "band", "self_check", "balance")
    assert list(make_gates(names, SilverSettings(), reasoner({}))) == list(names)
    assert make_gates((), SilverSettings(), reasoner({})) == {}


def test_known_questions_reach_the_gate_for_new_ones() -> None:
    gates = make_gates(("new",), SilverSettings(), reasoner({}), known=[asks("old", COLOR).question])
    passed, dropped = apply_gates(gates, [asks("a", COLOR), asks("b", COLOR, THERE)])
    assert [c.question.id for c in passed] == ["b"] and dropped["a"][0] == "new"


def test_a_question_is_dropped_by_the_first_gate_that_minds_and_later_ones_never_see_it() -> None:
    silent = candidate("silent", [None] * 8)
    refused = candidate("refused", ["unknown"] * 8)
    yes = [candidate(f"yes {n}", ["yes"] * 8) for n in range(2)]
    no = candidate("no", ["no"] * 8)
    everyone = [silent, refused, *yes, no]
    gates = {"answered": Answered(1.0), "balance": Balance(0.5)}
    passed, dropped = apply_gates(gates, everyone)
    assert passed == [yes[0], no], "what has no answer is neither kept nor dropped"
    assert {name: gate for name, (gate, _) in dropped.items()} == {"refused": "answered", "yes 1": "balance"}
    assert apply_gates({}, everyone) == ([refused, *yes, no], {})


def test_what_is_not_asked_in_plain_words_is_left_out() -> None:
    slip, asked = (
        candidate("slip", ["red"], "what color of the shape?"),
        candidate("asked", ["red"], "what color is it?"),
    )
    plain = candidate("plain", ["red"], "what color is the small dog?")
    assert Plain().dropped([slip, plain, asked]).keys() == {"slip", "asked"}
