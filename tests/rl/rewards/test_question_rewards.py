"""Rewards of the Questioner, on outcomes written by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.interfaces.component import components, read_component
from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.difficulty import above_chance, difficulty
from visplay.rl.rewards.questioner.rewards import ChanceCorrectedReward, OfficialReward, PaperReward, RandomReward
from visplay.types import Completion, ImageRef, Question, VoteResult

SHARES = st.floats(0, 1)
ANSWERS = {None: ("what is it?", "red"), 2: ("is it red?", "yes"), 4: ("which?\nA. a\nB. b\nC. c\nD. d", "B")}
"""A question and an answer by how many answers can be guessed among; None where they cannot be counted."""


def outcome(
    valid: bool, confidence: float, penalty: float, options: int | None = None, rejected: bool = False, key: str = "k"
) -> QuestionOutcome:
    text, answer = ANSWERS[options]
    completion = Completion("r", 0, (1,), (0.0,), text, True)
    if not valid:
        return QuestionOutcome(key, completion, None, None, False, penalty)
    question = Question("q", ImageRef("p", b""), "open", text)
    return QuestionOutcome(key, completion, question, VoteResult("q", answer, confidence, 8, 0), rejected, penalty)


@pytest.mark.parametrize(("confidence", "expected"), [(0, 0), (0.25, 0.5), (0.5, 1), (0.75, 0.5), (1, 0)])
def test_difficulty_peaks_where_votes_split_evenly(confidence: float, expected: float) -> None:
    assert difficulty(confidence) == expected


@given(SHARES)
def test_difficulty_is_symmetric_and_bounded(confidence: float) -> None:
    assert 0 <= difficulty(confidence) <= 1
    assert difficulty(confidence) == pytest.approx(difficulty(1 - confidence))


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 12), st.sampled_from(sorted(ANSWERS, key=str)))
def test_a_vote_that_loses_its_box_never_earns_more(most: int, others: int, unboxed: int, options: int | None) -> None:
    votes = most + others + unboxed

    def earned(reward: QuestionerReward, most: int, unboxed: int) -> float:
        made = outcome(True, most / votes, 0.0, options)
        assert made.result is not None
        return reward.reward(replace(made, result=replace(made.result, votes=votes, unboxed=unboxed)))

    for reward in (PaperReward(), OfficialReward(), ChanceCorrectedReward()):
        before = earned(reward, most, unboxed)
        assert earned(reward, most - 1, unboxed + 1) <= before + 1e-9
        assert others == 0 or earned(reward, most, unboxed + 1) <= before + 1e-9
        assert others > 0 or before == pytest.approx(0)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    for reward in (PaperReward(), OfficialReward(), ChanceCorrectedReward()):
        with pytest.raises(ValueError, match="confidence"):
            reward.reward(outcome(True, confidence, 0.0))


def test_paper_reward() -> None:
    reward = PaperReward().reward
    assert reward(outcome(True, 0.5, 0.125)) == 0.875
    assert reward(outcome(True, 0.75, 0.25)) == 0.25
    assert reward(outcome(True, 1.0, 0.5)) == 0.0
    assert reward(outcome(False, 0.5, 0.125)) == 0.0


def test_official_reward() -> None:
    reward = OfficialReward().reward
    assert reward(outcome(True, 0.75, 0.5)) == -0.25
    assert reward(outcome(True, 0.5, 0.125)) == 0.375
    assert reward(outcome(False, 0.5, 0.25)) == -1.25


@pytest.mark.parametrize("name", ["chance_corrected", "format", "official", "paper"])
@given(SHARES, SHARES, SHARES)
def test_an_invalid_question_never_earns_more(name: str, confidence: float, other: float, share: float) -> None:
    reward = read_component("questioner_reward", name)
    assert isinstance(reward, QuestionerReward)
    invalid, valid = reward.reward(outcome(False, confidence, share)), reward.reward(outcome(True, other, share))
    assert invalid < valid if name in ("format", "official") else invalid <= valid


@given(st.text(max_size=20), SHARES, SHARES, st.booleans())
def test_the_random_control_knows_the_key_alone(key: str, confidence: float, penalty: float, valid: bool) -> None:
    drawn = RandomReward().reward(outcome(valid, confidence, penalty, key=key))
    assert drawn == RandomReward().reward(outcome(True, 0.5, 0.0, key=key)) and drawn in (0.0, 1.0)


def test_the_random_control_gives_both_rewards_about_as_often() -> None:
    drawn = [RandomReward().reward(outcome(True, 0.5, 0.0, key=f"0/{n}")) for n in range(1000)]
    assert 440 < sum(drawn) < 560


def test_rewards_that_use_gates_say_so() -> None:
    found = components("questioner_reward")
    assert {name for name, one in found.items() if issubclass(one, QuestionerReward) and one.uses_gates} == {
        "chance_corrected",
        "hard_settled",
    }


@pytest.mark.parametrize(
    ("confidence", "options", "expected"),
    [
        (0.5, 2, 0.0),  # the paper's best question is a coin
        (0.75, 2, 0.875),
        (1.0, 2, 0.0),
        (0.25, 4, 0.0),
        (0.625, 4, 0.875),
        (0.5, None, 0.875),
    ],
)
def test_chance_corrected_reward(confidence: float, options: int | None, expected: float) -> None:
    reward = ChanceCorrectedReward().reward
    assert reward(outcome(True, confidence, 0.125, options)) == expected
    assert reward(outcome(True, confidence, 0.125, options, rejected=True)) == 0.0
    assert reward(outcome(False, confidence, 0.125, options)) == 0.0


@given(SHARES, st.sampled_from([None, 2, 4]), SHARES, SHARES)
def test_a_chance_corrected_reward_is_a_share_that_falls_with_the_penalty(
    confidence: float, options: int | None, share: float, more: float
) -> None:
    reward = ChanceCorrectedReward().reward
    earned = reward(outcome(True, confidence, share, options))
    assert 0 <= reward(outcome(True, confidence, share + more, options)) <= earned <= 1
    if options is not None and confidence <= 1 / options:
        assert earned == 0


@pytest.mark.parametrize(("confidence", "options", "expected"), [(0.5, 2, 0), (0.75, 2, 0.5), (0.1, 4, 0), (1, 3, 1)])
def test_agreement_above_chance(confidence: float, options: int, expected: float) -> None:
    assert above_chance(confidence, options) == expected
    with pytest.raises(ValueError, match="at least 2"):
        above_chance(confidence, 1)
