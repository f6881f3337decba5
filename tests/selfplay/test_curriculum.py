"""Batches of the Reasoner: laps over the set, or a curriculum that prefers what the votes leave open."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from visplay.config import ReasonerSettings
from visplay.data.random_streams import random_stream
from visplay.interfaces.advantages import AdvantageEstimator
from visplay.interfaces.component import read_component
from visplay.rl.dynamic_sampling import has_advantage
from visplay.selfplay.curriculum import FLOOR, NewestRewards, draw_batch, silver_batch, uncertainty
from visplay.types import Completion, Group, ImageRef, Question, Request, SilverItem, StepId, Vote

UNCERTAIN = ReasonerSettings(curriculum="uncertain")


def item(name: str, agreeing: int, of: int = 8, answer: str = "red") -> SilverItem:
    votes = tuple(Vote(name, n, "red" if n < agreeing else None if n % 2 else "blue", "") for n in range(of))
    return SilverItem(Question(name, ImageRef("p", b""), "open", "?"), answer, 1.0, votes)


# As in a silver set of which most questions are settled: 60 always agree, 20 never, 20 by half, more or less.
PLANTED = [
    *(item(f"solved {n}", 8) for n in range(60)),
    *(item(f"hopeless {n}", 8, answer="green") for n in range(20)),
    *(item(f"open {n}", 3 + n % 3) for n in range(20)),
]


def test_uncertainty_is_the_variance_of_agreement_with_the_silver_answer() -> None:
    assert uncertainty(item("a", 4)) == 0.25 and uncertainty(item("a", 2)) == 3 / 16
    assert uncertainty(item("a", 8)) == uncertainty(item("a", 0)) == uncertainty(item("a", 8, answer="green")) == FLOOR
    assert uncertainty(item("a", 0, of=0)) == 0.25
    assert uncertainty(item("a", 8, answer="Red.")) == FLOOR, "answers are compared by value"


def test_a_step_holds_no_question_twice_and_can_be_drawn_again() -> None:
    for step in range(20):
        at = StepId(1, "reasoner", step)
        drawn = draw_batch(PLANTED, 32, at, 0, UNCERTAIN)
        assert len({one.question.id for one in drawn}) == 32
        assert drawn == draw_batch(PLANTED, 32, at, 0, UNCERTAIN)
        further = draw_batch(PLANTED, 32, at, 0, UNCERTAIN, {one.question.id for one in drawn})
        assert not {one.question.id for one in drawn} & {one.question.id for one in further}
    first = draw_batch(PLANTED, 32, StepId(1, "reasoner", 0), 0, UNCERTAIN)
    assert first != draw_batch(PLANTED, 32, StepId(1, "reasoner", 1), 0, UNCERTAIN)
    assert first != draw_batch(PLANTED, 32, StepId(1, "reasoner", 0), 1, UNCERTAIN)
    assert len(draw_batch(PLANTED, 500, StepId(1, "reasoner", 0), 0, UNCERTAIN)) == len(PLANTED)
    everything = {one.question.id for one in PLANTED}
    assert len(draw_batch(PLANTED, 8, StepId(1, "reasoner", 0), 0, UNCERTAIN, everything)) == 8


def test_open_questions_are_drawn_more_often_and_no_question_never() -> None:
    drawn = Counter(
        one.question.id.split()[0]
        for step in range(300)
        for one in draw_batch(PLANTED, 10, StepId(1, "reasoner", step), 0, UNCERTAIN)
    )
    rates = {kind: drawn[kind] / sum(one.question.id.startswith(kind) for one in PLANTED) for kind in drawn}
    assert rates["open"] > 5 * rates["solved"] > 0 and rates["solved"] == pytest.approx(rates["hopeless"], rel=0.25)


def test_the_newest_rewards_take_the_place_of_the_votes() -> None:
    newest = NewestRewards()
    solved, hopeless = item("solved", 8), item("hopeless", 0)
    newest.note(1, [(_group(solved, [1, 0, 1, 0]), solved), (_group(hopeless, [0, 0, 0, 0]), hopeless)])
    assert uncertainty(solved, newest.of(1)) == 0.25 and uncertainty(hopeless, newest.of(1)) == FLOOR
    newest.note(1, [(_group(solved, [1, 1, 1, 1]), solved), (_group(hopeless, [0, 0, 0, 1]), hopeless)])
    assert uncertainty(solved, newest.of(1)) == FLOOR and uncertainty(hopeless, newest.of(1)) == 3 / 16
    assert uncertainty(item("another", 4), newest.of(1)) == 0.25, "it is judged by its votes"


def test_the_newest_rewards_are_those_of_one_iteration_and_survive_a_restart() -> None:
    newest, other = NewestRewards(), NewestRewards()
    one = item("a", 4)
    newest.note(1, [(_group(one, [1, 0, 0, 0]), one)])
    other.restore(json.loads(json.dumps(newest.state())))
    assert newest.of(1) == other.of(1) == {"a": 3 / 16} and not newest.of(2)
    other.note(2, [])
    assert not other.of(1) and not other.of(2)


def test_questions_that_training_solved_are_drawn_less() -> None:
    newest = NewestRewards()
    newest.note(
        1, [(_group(one, [1, 1, 1, 1]), one) for one in PLANTED[80:90]]
    )  # half of those that the votes leave open
    drawn = Counter(
        one.question.id
        for step in range(300)
        for one in draw_batch(PLANTED, 10, StepId(1, "reasoner", step), 0, UNCERTAIN, variance=newest.of(1))
    )
    solved, left = (sum(drawn[one.question.id] for one in part) for part in (PLANTED[80:90], PLANTED[90:]))
    assert 0 < 5 * solved < left


def _group(one: SilverItem, rewards: Sequence[float]) -> Group:
    request = Request(one.question.id, one.question.image, "?", len(rewards))
    completions = tuple(Completion(request.id, n, (1,), (0.0,), "", True) for n in range(len(rewards)))
    return Group(request, completions, tuple(map(float, rewards)))


@pytest.mark.parametrize("estimator", ["group_norm", "mean_centered"])
def test_fewer_groups_are_without_a_gradient(estimator: str) -> None:
    """Planted: a question is solved as often as its votes agree; groups of eight answers, 50 steps of 16 groups."""
    advantages = read_component("advantages", estimator)
    assert isinstance(advantages, AdvantageEstimator)
    stream = random_stream(0, "answers")

    def group(one: SilverItem) -> Group:
        share = sum(vote.answer == one.answer for vote in one.votes) / len(one.votes)
        return _group(one, [float(right) for right in stream.random(8) < share])

    def without_gradient(settings: ReasonerSettings) -> float:
        batches = (draw_batch(PLANTED, 16, StepId(1, "reasoner", step), 0, settings) for step in range(50))
        return float(np.mean([not has_advantage(group(one), advantages) for batch in batches for one in batch]))

    assert without_gradient(ReasonerSettings()) > 0.75
    assert without_gradient(UNCERTAIN) < 0.5


def test_without_curriculum_and_quota_the_batches_are_laps() -> None:
    for step in range(12):
        at = StepId(2, "reasoner", step)
        assert draw_batch(PLANTED, 30, at, 0, ReasonerSettings(), {"open 1"}) == silver_batch(PLANTED, 30, at, 0)


@pytest.mark.parametrize("curriculum", ["none", "uncertain"])
def test_a_quota_gives_each_skill_as_many_questions(curriculum: str) -> None:
    """Planted: 80 questions of the Questioner, 15 of a program that counts, 10 of a task that names no skill."""
    kinds = {"asked": (80, "questioner", ""), "counts": (15, "programs", "counting"), "turns": (10, "rotation", "")}
    items = [
        SilverItem(replace(item(f"{kind} {n}", 4).question, source=source, skill=skill), "red", 1.0, ())
        for kind, (count, source, skill) in kinds.items()
        for n in range(count)
    ]
    settings = ReasonerSettings.model_validate({"quota": "skill", "curriculum": curriculum})
    drawn = Counter(
        one.question.id.split()[0]
        for step in range(400)
        for one in draw_batch(items, 6, StepId(1, "reasoner", step), 0, settings)
    )
    # Drawn without putting back, so that a small skill falls a little short.
    assert all(count / drawn.total() == pytest.approx(1 / 3, abs=0.05) for count in drawn.values())


def test_a_quota_holds_yes_and_no_level_and_families_by_their_mean_weight() -> None:
    """Planted: the votes never say yes to "smaller", so that a curriculum alone would draw rather no."""
    kinds = {
        "smaller yes": (30, "comparison/smaller", "yes", 0),
        "smaller no": (30, "comparison/smaller", "no", 2),
        "more yes": (60, "comparison/more", "yes", 2),
        "counts": (40, "counting/count", "3", 2),
    }
    items = []
    for kind, (count, skill, answer, agreeing) in kinds.items():
        for n in range(count):
            question = Question(f"{kind} {n}", ImageRef("p", b""), "open", "?", "programs", skill)
            votes = tuple(Vote(question.id, i, answer if i < agreeing else "other", "") for i in range(4))
            items.append(SilverItem(question, answer, 1.0, votes))

    def shares(**settings: str) -> dict[str, float]:
        drawn = Counter(
            one.question.id.rsplit(" ", 1)[0]
            for step in range(400)
            for one in draw_batch(items, 8, StepId(1, "reasoner", step), 0, ReasonerSettings.model_validate(settings))
        )
        return {kind: drawn[kind] / drawn.total() for kind in kinds}

    level = {"smaller yes": 1 / 8, "smaller no": 1 / 8, "more yes": 1 / 4, "counts": 1 / 2}
    assert shares(quota="skill") == pytest.approx(level, abs=0.03)
    # The half of "smaller" without variance makes its mean 0.135, where that of the others is 0.25.
    means = {"smaller yes": 0.135, "smaller no": 0.135, "more yes": 0.25, "counts": 0.25}
    weighted = {kind: level[kind] * means[kind] for kind in kinds}
    expected = {kind: weight / sum(weighted.values()) for kind, weight in weighted.items()}
    assert shares(curriculum="uncertain", quota="skill") == pytest.approx(expected, abs=0.03)
    assert shares(curriculum="uncertain")["smaller yes"] < 0.03
