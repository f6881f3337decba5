"""Each gate drops what it is there for, says why, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from visplay.config import ReasonerSettings, Sampling, SilverSettings
from visplay.records import Completion, Picture, Question, Request, Vote
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner, tally
from visplay.silver.candidate import Candidate
from visplay.silver.gates import make_gates
from visplay.silver.gates.answered import Answered
from visplay.silver.gates.balance import Balance
from visplay.silver.gates.band import Band
from visplay.silver.gates.needs_image import NeedsImage


def candidate(name: str, answers: Sequence[str | None], text: str = "what?") -> Candidate:
    question = Question(name, Picture(f"picture of {name}", b""), "open", text)
    votes = tuple(Vote(name, index, answer, "") for index, answer in enumerate(answers))
    return Candidate(question, votes, tally(question, votes))


class Words:
    """An engine that answers by a rule of picture and prompt."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        answer = self.answers.get(request.prompt, request.picture.id)
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


def test_what_any_picture_answers_alike_does_not_need_the_image() -> None:
    blind = [candidate(f"blind {n}", ["four"] * 4, text="how many legs has a cat?") for n in range(3)]
    # These are answered with the name of the picture, so that elsewhere they are answered otherwise.
    seeing = [candidate(f"seeing {n}", [f"picture of seeing {n}"] * 4) for n in range(3)]
    gate = NeedsImage(reasoner({"how many legs has a cat?": "4"}), votes=4, most=0.5)
    assert gate.dropped([*blind, *seeing]) == {
        c.question.id: "4 of 4 other pictures give the same answer" for c in blind
    }


def test_without_another_picture_nothing_can_be_said() -> None:
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
    left = [c.tally.answer for c in everyone if c.question.id not in dropped]
    counts = [left.count(answer) for answer in set(left)]
    assert max(counts) <= max(1, most * len(left))
    assert len(counts) == len(sizes), "no answer disappears"


def test_gates_come_in_the_order_of_the_settings() -> None:
    settings = SilverSettings(gates=("needs_image", "answered", "band", "balance"))
    assert list(make_gates(settings, reasoner({}))) == list(settings.gates)
