"""Verdicts on iterations: what is accepted, what is taken back, and what is never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from visplay.acceptance import Acceptance, Opinion, verdict
from visplay.config import AcceptanceSettings, QuestionerSettings, ReasonerSettings, Sampling
from visplay.evolve import hold_out
from visplay.records import Completion, Picture, Question, Request, SilverItem
from visplay.roles.prompts import Prompts
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.silver.labelers.majority import Majority

PICTURES = tuple(Picture(f"p{n}", b"") for n in range(40))
ANCHOR = [SilverItem(Question(f"q{n}", PICTURES[0], "open", "?"), "red", 1.0, ()) for n in range(40)]


def opinions(wrong: int = 0, unsure: int = 0) -> dict[str, Opinion]:
    return {
        item.question.id: Opinion("blue" if n < wrong else "red", 0.5 if n < unsure else 1.0)
        for n, item in enumerate(ANCHOR)
    }


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        (opinions(), True),
        (opinions(wrong=1), True),
        (opinions(wrong=12), False),
        (opinions(unsure=1), True),
        (opinions(unsure=12), False),
    ],
)
def test_what_was_sure_must_not_be_lost_beyond_chance(now: dict[str, Opinion], accepted: bool) -> None:
    found = verdict(ANCHOR, 1.0, 3, opinions(), now)
    assert found.accepted is accepted and found.against == 3
    assert found.figures()["accepted"] is accepted


def test_what_the_base_was_not_sure_of_may_change() -> None:
    anchor = [SilverItem(i.question, i.answer, 0.75, ()) for i in ANCHOR]
    found = verdict(anchor, 1.0, 0, opinions(), opinions(wrong=30))
    assert found.accepted and found.kept is None


def test_to_recover_is_no_loss() -> None:
    assert verdict(ANCHOR, 1.0, 1, opinions(wrong=20, unsure=20), opinions()).accepted


class Mind:
    """Asks one question about a picture; answers with its own word, or declines about every fourth picture."""

    def __init__(self, word: str) -> None:
        self.word = word

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        shy = int(request.picture.id[1:]) % 4 == 0
        answer = f"\\boxed{{{'unknown' if shy else self.word}}}"
        asked = f"<type>open</type><question>what is {request.picture.id}?</question>"
        return Completion(request.id, index, (1,), (0.0,), asked if request.prompt == "ask" else answer, True)


def labeler(word: str) -> Majority:
    return Majority(Reasoner(Mind(word), Prompts("ask", "{question}", learned=True), ReasonerSettings(), 0))


def frozen(folder: Path, patience: int = 2) -> Acceptance:
    acceptance = Acceptance(folder, PICTURES, AcceptanceSettings(pictures=40, questions_per_image=1, patience=patience))
    questioner = Questioner(Mind("red"), Prompts("ask", "{question}", learned=True), QuestionerSettings(), 0)
    acceptance.freeze(questioner, labeler("red"))
    return acceptance


def test_the_anchor_is_what_the_base_answers_without_refusals(tmp_path: Path) -> None:
    anchor = frozen(tmp_path / "a").anchor()
    assert {item.question.picture.id for item in anchor} == {p.id for p in PICTURES if int(p.id[1:]) % 4}
    assert {item.answer for item in anchor} == {"red"}


def test_iterations_are_held_against_the_last_accepted_one(tmp_path: Path) -> None:
    acceptance = frozen(tmp_path / "a")
    assert acceptance.judge(labeler("red"), 1).against == 0
    assert not acceptance.judge(labeler("blue"), 2).accepted
    last = acceptance.judge(labeler("red"), 3)
    assert last.accepted and last.against == 1
    questions, before, now = acceptance.answers(1, 2)
    assert {q.id for q in questions} == before.keys() == now.keys()
    assert set(before.values()) == {"red"} and set(now.values()) == {"blue"}


def test_enough_rejections_in_a_row_end_a_run(tmp_path: Path) -> None:
    acceptance = frozen(tmp_path / "a")
    for iteration, (word, over) in enumerate([("blue", False), ("red", False), ("blue", False), ("green", True)], 1):
        acceptance.judge(labeler(word), iteration)
        assert acceptance.over is over
    again = Acceptance(tmp_path / "a", PICTURES, acceptance.settings)
    again.restore(acceptance.state())
    assert again.over and again.last_accepted == 2


@pytest.mark.parametrize("count", [0, 1, 7, 39, 40, 100])
def test_held_out_pictures_are_apart_and_one_is_left(count: int) -> None:
    held, rest = hold_out(PICTURES, count, seed=3)
    assert len(held) == min(count, 39)
    assert {p.id for p in held} | {p.id for p in rest} == {p.id for p in PICTURES}
    assert not {p.id for p in held} & {p.id for p in rest}
    assert hold_out(PICTURES, count, seed=3) == (held, rest)
