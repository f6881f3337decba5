"""Verdicts on iterations: what is accepted, what is taken back, and what is never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import AcceptanceSettings, QuestionerSettings, ReasonerSettings
from visplay.data.sampler import Sampler
from visplay.evaluation.statistics import tango_interval
from visplay.interfaces.engine import Sampling
from visplay.labeling.labelers.majority import Majority
from visplay.roles.prompts import Prompts
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.selfplay.acceptance import Acceptance, HeldOutAnswer, answer_changes, decide, hold_out_images
from visplay.selfplay.verdict import Change, Verdict
from visplay.types import Completion, ImageRef, Question, Request, SilverItem

PICTURES = tuple(ImageRef(f"p{n}", b"") for n in range(40))
ANCHOR = [SilverItem(Question(f"q{n}", PICTURES[n], "open", "?"), "red", 1.0, ()) for n in range(40)]


def held_out_answers(wrong: int = 0, unsure: int = 0) -> dict[str, HeldOutAnswer]:
    return {
        item.question.id: HeldOutAnswer("blue" if n < wrong else "red", 0.5 if n < unsure else 1.0)
        for n, item in enumerate(ANCHOR)
    }


def verdict(
    iteration: int,
    frozen_items: Sequence[SilverItem],
    trusted: float,
    against: int,
    before: dict[str, HeldOutAnswer],
    now: dict[str, HeldOutAnswer],
    tolerance: float = 0.0,
) -> Verdict:
    return decide(iteration, against, answer_changes(frozen_items, trusted, before, now), tolerance)


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        (held_out_answers(), True),
        (held_out_answers(wrong=1), True),
        (held_out_answers(wrong=12), False),
        (held_out_answers(unsure=1), True),
        (held_out_answers(unsure=12), False),
    ],
)
def test_what_was_sure_must_not_be_lost_beyond_chance(now: dict[str, HeldOutAnswer], accepted: bool) -> None:
    found = verdict(1, ANCHOR, 1.0, 3, held_out_answers(), now)
    assert found.accepted is accepted and found.against == 3
    assert found.as_metrics()["accepted"] is accepted


@pytest.mark.parametrize(("tolerance", "accepted"), [(0.0, False), (0.1, False), (0.2, True)])
def test_a_fall_within_the_tolerance_is_accepted(tolerance: float, accepted: bool) -> None:
    worse = held_out_answers(wrong=12, unsure=12)  # the interval of a loss of 12 in 40 ends at -0.175
    assert verdict(1, ANCHOR, 1.0, 0, held_out_answers(), worse, tolerance).accepted is accepted
    fewer_asked = {"asking": Change(mean=-0.3, low=-0.43, high=-0.175), "kept": Change(0.0, 0.0, 0.0)}
    assert decide(1, 0, fewer_asked, tolerance).accepted is accepted


def test_what_the_base_was_not_sure_of_may_change() -> None:
    anchor = [SilverItem(i.question, i.answer, 0.75, ()) for i in ANCHOR]
    found = verdict(1, anchor, 1.0, 0, held_out_answers(), held_out_answers(wrong=30))
    assert found.accepted and found.kept is None


def test_to_recover_is_no_loss() -> None:
    assert verdict(1, ANCHOR, 1.0, 1, held_out_answers(wrong=20, unsure=20), held_out_answers()).accepted


def test_a_trusted_answer_may_be_worded_otherwise_but_not_left_out() -> None:
    anchor = [SilverItem(item.question, "2", 1.0, ()) for item in ANCHOR]
    two, silence = ({i.question.id: HeldOutAnswer(said, 1.0) for i in ANCHOR} for said in ("two", None))
    worded = verdict(1, anchor, 1.0, 0, two, two | {"q0": HeldOutAnswer("2.0", 1.0)})
    assert worded.accepted and worded.kept is not None and worded.kept.mean == 0
    silent = verdict(1, anchor, 1.0, 0, two, silence)
    assert not silent.accepted and silent.kept is not None and silent.kept.mean == -1


def test_what_was_given_up_before_is_not_held_against_the_next_one() -> None:
    before = held_out_answers(wrong=20)
    assert verdict(1, ANCHOR, 1.0, 2, before, before).accepted
    assert not verdict(1, ANCHOR, 1.0, 2, before, held_out_answers(wrong=32)).accepted


def test_agreement_on_something_else_is_no_excuse() -> None:
    found = verdict(1, ANCHOR, 1.0, 0, held_out_answers(unsure=20), held_out_answers(wrong=20))
    assert not found.accepted and found.agreement is not None and (found.agreement.low or 0) > 0


def test_without_trusted_answers_agreement_alone_decides() -> None:
    unsure = [SilverItem(i.question, i.answer, 0.75, ()) for i in ANCHOR]
    other = verdict(1, unsure, 1.0, 0, held_out_answers(unsure=40), held_out_answers(wrong=40))
    assert other.as_metrics().keys() == {"accepted", "against", "agreement_change", "agreement_ci95"}
    assert other.accepted and not verdict(1, unsure, 1.0, 0, held_out_answers(), held_out_answers(unsure=40)).accepted
    assert not verdict(1, unsure, 0.75, 0, held_out_answers(), held_out_answers(wrong=40)).accepted, (
        "from 0.75 on they are trusted"
    )


def test_figures_are_plain_values() -> None:
    low, high = tango_interval(0, 0, 40)
    assert verdict(1, ANCHOR, 1.0, 4, held_out_answers(), held_out_answers(unsure=40)).as_metrics() == {
        "accepted": False,
        "against": 4,
        "kept_change": 0.0,
        "kept_ci95": [low, high],
        "agreement_change": -0.5,
        "agreement_ci95": [-0.5, -0.5],
    }


OPINION = st.builds(HeldOutAnswer, st.sampled_from(["red", "2", "yes", None]), st.sampled_from([0.25, 0.625, 1.0]))


@given(st.lists(st.tuples(st.sampled_from([0.5, 0.875, 1.0]), OPINION), min_size=1, max_size=40))
def test_whoever_answers_as_before_is_accepted(asked: list[tuple[float, HeldOutAnswer]]) -> None:
    anchor = [SilverItem(Question(f"q{n}", PICTURES[0], "open", "?"), "red", c, ()) for n, (c, _) in enumerate(asked)]
    same = {item.question.id: answer_now for item, (_, answer_now) in zip(anchor, asked, strict=True)}
    found = verdict(1, anchor, 1.0, 0, same, same)
    assert found.accepted and found.agreement is not None and found.agreement.mean == 0
    assert found.kept is None or found.kept.mean == 0


class Mind:
    """Asks one question about an image; answers with its own word, or declines about every fourth image.

    It keeps the requests.
    """

    def __init__(self, word: str) -> None:
        self.word = word
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.asked += requests
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        shy = int(request.image.id[1:]) % 4 == 0
        answer = f"\\boxed{{{'unknown' if shy else self.word}}}"
        asked = f"<type>open</type><question>what is {request.image.id}?</question>"
        return Completion(request.id, index, (1,), (0.0,), asked if request.prompt == "ask" else answer, True)


def voting(word: str, mind: Mind | None = None) -> tuple[Majority, Reasoner]:
    """A labeler and the Reasoner that it asks."""
    prompts = Prompts("ask", "{question}", learned=True)
    return Majority(), Reasoner(mind or Mind(word), prompts, ReasonerSettings(), 0)


def questioner(mind: Mind | None = None) -> Questioner:
    return Questioner(mind or Mind("red"), Prompts("ask", "{question}", learned=True), QuestionerSettings(), 0)


def frozen(folder: Path, patience: int = 2) -> Acceptance:
    acceptance = Acceptance(folder, PICTURES, AcceptanceSettings(images=40, questions_per_image=1, patience=patience))
    acceptance.freeze(questioner(), *voting("red"))
    return acceptance


def test_the_anchor_is_what_the_base_answers_without_refusals(tmp_path: Path) -> None:
    anchor = frozen(tmp_path / "a").frozen_items()
    assert {item.question.image.id for item in anchor} == {p.id for p in PICTURES if int(p.id[1:]) % 4}
    assert {item.answer for item in anchor} == {"red"}


def test_iterations_are_held_against_the_last_accepted_one(tmp_path: Path) -> None:
    acceptance = frozen(tmp_path / "a")
    assert acceptance.judge(questioner(), *voting("red"), 1).against == 0
    assert not acceptance.judge(questioner(), *voting("blue"), 2).accepted
    last = acceptance.judge(questioner(), *voting("red"), 3)
    assert last.accepted and last.against == 1
    questions, before, now = acceptance.answers(1, 2)
    assert {q.id for q in questions} == before.keys() == now.keys()
    assert set(before.values()) == {"red"} and set(now.values()) == {"blue"}


def test_enough_rejections_in_a_row_end_a_run(tmp_path: Path) -> None:
    acceptance = frozen(tmp_path / "a")
    for iteration, (word, over) in enumerate([("blue", False), ("red", False), ("blue", False), ("green", True)], 1):
        acceptance.judge(questioner(), *voting(word), iteration)
        assert acceptance.over is over
    again = Acceptance(tmp_path / "a", PICTURES, acceptance.settings)
    again.restore(acceptance.state())
    assert again.over and again.last_accepted == 2


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
def test_held_out_images_are_apart_and_few(count: int) -> None:
    held, rest = hold_out_images(PICTURES, count, seed=3)
    assert len(held) == min(count, 8)
    assert {p.id for p in held} | {p.id for p in rest} == {p.id for p in PICTURES}
    assert not {p.id for p in held} & {p.id for p in rest}
    assert hold_out_images(PICTURES, count, seed=3) == (held, rest)


def test_what_nobody_answers_is_not_in_the_anchor(tmp_path: Path) -> None:
    acceptance = Acceptance(tmp_path / "a", PICTURES, AcceptanceSettings(questions_per_image=1))
    assert acceptance.freeze(questioner(), *voting(" ")) == acceptance.frozen_items() == ()


def test_the_same_questions_are_answered_again_in_the_same_random_streams(tmp_path: Path) -> None:
    first, later = Mind("red"), Mind("red")
    acceptance = Acceptance(tmp_path / "a", PICTURES[:8], AcceptanceSettings(questions_per_image=1))
    items = acceptance.freeze(questioner(first), *voting("", first))
    assert {request.image for request in first.asked} == set(PICTURES[:8])
    acceptance.judge(questioner(later), *voting("", later), 1)
    names = {item.question.image.id for item in items}
    again = [r for r in first.asked if r.prompt != "ask" and r.image.id in names]
    assert later.asked == [*again, *first.asked], "the anchor's questions, then as at the start"


def test_a_verdict_that_was_not_remembered_is_found_again(tmp_path: Path) -> None:
    acceptance = frozen(tmp_path / "a")
    acceptance.judge(questioner(), *voting("red"), 1)
    state = acceptance.state()
    assert state == {"last_accepted": 1, "rejected": [], "best": 1, "labelled": None}
    for word, after in (("blue", (1, 1)), ("red", (2, 0))):
        first = acceptance.judge(questioner(), *voting(word), 2)
        again = Acceptance(tmp_path / "a", PICTURES, acceptance.settings)
        again.restore(state)
        assert again.judge(questioner(), *voting(word), 2) == first and again.state() == acceptance.state()
        assert (again.last_accepted, len(again.rejected)) == after
        acceptance.restore(state)


class Mumbler(Mind):
    """Asks nothing in the agreed form about images from a number on."""

    def __init__(self, silent_from: int) -> None:
        super().__init__("red")
        self.silent_from = silent_from

    def _complete(self, request: Request, index: int) -> Completion:
        silent = request.prompt == "ask" and int(request.image.id[1:]) >= self.silent_from
        said = super()._complete(request, index)
        return replace(said, text="hm") if silent else said


@pytest.mark.parametrize(("silent_from", "accepted"), [(40, True), (39, True), (25, False), (0, False)])
def test_a_questioner_that_asks_less_of_what_has_an_answer_is_taken_back(
    tmp_path: Path, silent_from: int, accepted: bool
) -> None:
    acceptance = frozen(tmp_path / "a")
    found = acceptance.judge(questioner(Mumbler(silent_from)), *voting("red"), 1)
    assert found.accepted is accepted and found.asking is not None
    lost = sum(int(p.id[1:]) >= silent_from and int(p.id[1:]) % 4 > 0 for p in PICTURES)
    assert found.asking.mean == pytest.approx(-lost / len(PICTURES))
    assert found.as_metrics()["asking_change"] == found.asking.mean
    recovered = acceptance.judge(questioner(), *voting("red"), 2)
    assert recovered.accepted and recovered.against == (1 if accepted else 0)


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 1000))
def test_no_draw_ever_holds_a_image_that_is_held_out(size: int, count: int, seed: int) -> None:
    held, rest = hold_out_images(PICTURES[:size], count, seed)
    assert rest and not set(held) & set(Sampler(rest, seed).take(3 * size))
    assert sorted([*held, *rest], key=PICTURES.index) == list(PICTURES[:size])


def test_what_is_held_out_depends_on_the_seed() -> None:
    assert len({hold_out_images(PICTURES, 8, seed)[0] for seed in range(5)}) == 5


def test_where_the_base_has_no_answer_nothing_can_be_judged() -> None:
    found = verdict(1, [], 1.0, 0, {}, {})
    assert found.accepted and found.kept is None and found.agreement is None
    assert found.as_metrics() == {"accepted": True, "against": 0}


def test_an_iteration_that_taught_nothing_is_rejected(tmp_path: Path) -> None:
    acceptance = frozen(tmp_path / "a")
    assert not acceptance.judge(questioner(), *voting("red"), 1, taught=False).accepted
    assert acceptance.last_accepted == 0 and acceptance.rejected == [1]
