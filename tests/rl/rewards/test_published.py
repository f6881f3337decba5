"""Rewards of other methods against independent computations of their papers' equations."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy
from scipy.stats import norm

from visplay.interfaces.reward import QuestionOutcome
from visplay.labeling.labelers.majority import count_votes
from visplay.rl.rewards.questioner.published import DualTrack, EntropyBand, quick_answer
from visplay.rl.rewards.reasoner.agreement import ContinuousAgreement
from visplay.types import Completion, ImageRef, Question, SilverItem, Vote

WORDS = ["red", "blue", "green", "black", "white"]
VOTES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12)
QUESTION = Question("q", ImageRef("p", b""), "open", "what is it?")


def said(text: str) -> Completion:
    return Completion("r", 0, (1,), (0.0,), text, True)


def given_votes(answers: list[str | None]) -> tuple[Vote, ...]:
    return tuple(Vote("q", index, answer, "") for index, answer in enumerate(answers))


def outcome(answers: list[str | None], text: str = "", penalty: float = 0.0) -> QuestionOutcome:
    votes = given_votes(answers)
    return QuestionOutcome("k", said(text), QUESTION, count_votes(QUESTION, votes), False, penalty, votes)


@given(VOTES, st.floats(0, 2), st.floats(0.05, 1), st.floats(0, 1))
def test_entropy_band_is_a_bell_over_the_entropy_of_the_answers(
    answers: list[str], center: float, width: float, penalty: float
) -> None:
    found = EntropyBand(center=center, width=width).reward(outcome([*answers], penalty=penalty))
    h = scipy_entropy(list(Counter(answers).values()))
    expected = norm.pdf(h, center, width) / norm.pdf(center, center, width)
    assert found == pytest.approx(max(0, expected - penalty), abs=1e-9)


def test_entropy_band_as_evolmm_has_it_for_five_votes() -> None:
    """Of 5:0, 4:1, 3:2, 3:1:1 and five different answers, three equal ones and two others are paid most."""
    splits = [[0] * 5, [0] * 4 + [1], [0] * 3 + [1] * 2, [0] * 3 + [1, 2], [0, 1, 2, 3, 4]]
    found = [EntropyBand().reward(outcome([WORDS[n] for n in split])) for split in splits]
    assert found == pytest.approx([0.0367, 0.5211, 0.8103, 0.9898, 0.1283], abs=1e-3)
    assert EntropyBand().reward(outcome([None] * 5)) == 0
    equal = outcome(["3", "three", "3 cats", "4", "4"])
    assert EntropyBand().reward(equal) == pytest.approx(found[2]), "answers that mean the same are one"


@given(
    st.lists(st.sampled_from(WORDS) | st.none(), min_size=1, max_size=12), st.sampled_from(WORDS), st.integers(0, 40)
)
def test_continuous_agreement_is_the_softened_share(answers: list[str | None], answer: str, words: int) -> None:
    item = SilverItem(QUESTION, "red", 1.0, given_votes(answers))
    completion = said(" ".join(["word"] * words) + f" \\boxed{{{answer}}}")
    p = np.mean([a == answer for a in answers])
    expected = p**0.7 * (1 - 0.1 * min(1, max(0, (words - 6) / 6)))
    assert ContinuousAgreement().reward(completion, item, "k") == pytest.approx(expected)
    assert ContinuousAgreement(exponent=1, length_weight=0).reward(completion, item, "k") == pytest.approx(p)


def test_continuous_agreement_without_a_box_or_without_votes() -> None:
    item = SilverItem(QUESTION, "red", 1.0, ())
    reward = ContinuousAgreement().reward
    assert [reward(said(text), item, "k") for text in (r"\boxed{red}", r"\boxed{blue}", "red")] == [1, 0, 0]


@given(VOTES, st.sampled_from(WORDS))
def test_dual_track_pays_half_the_confidence_where_thinking_changed_the_answer(answers: list[str], quick: str) -> None:
    found = DualTrack().reward(outcome([*answers], f"<question>what?</question><answer>{quick}</answer>"))
    (most, count), *_ = Counter(answers).most_common(1)
    c = count / len(answers)
    assert found == pytest.approx(min(c, 1 - c) if most == quick else 0.5 * c)


def test_dual_track_of_what_is_incomplete() -> None:
    assert DualTrack().reward(outcome(["red"] * 4, "<question>what?</question>")) == -1
    assert DualTrack().reward(outcome([None] * 4, "<answer>red</answer>", penalty=0.25)) == -0.25
    assert [
        quick_answer(text) for text in ("<answer> A </answer>", "<think><answer>A</answer></think>", "<answer>")
    ] == [
        "A",
        None,
        None,
    ]
    assert "<answer>" in DualTrack.asks_for
