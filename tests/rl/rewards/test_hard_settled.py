"""The Questioner's reward for what is hard and settled, on votes and evidence written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from visplay.interfaces.reward import QuestionOutcome
from visplay.labeling.labelers.facts import Facts
from visplay.rl.rewards.questioner.hard_settled import HardSettledReward
from visplay.types import Completion, Evidence, ImageRef, Question, Vote, VoteResult

REWARD = HardSettledReward()
IS_IT, WHAT = "is it red?", "what is it?"


def outcome(
    votes: list[str | None], findings: list[str | None], answer: str | None, text: str = WHAT, confidence: float = 1.0
) -> QuestionOutcome:
    question = Question("q", ImageRef("p", b""), "open", text)
    given = tuple(Vote("q", index, vote, "") for index, vote in enumerate(votes))
    result = VoteResult("q", answer, confidence if answer else 0.0, len(votes), votes.count(None))
    read = tuple(Evidence("", finding) for finding in findings)
    return QuestionOutcome("k", Completion("r", 0, (1,), (0.0,), text, True), question, result, False, 0.0, given, read)


def earned(
    votes: list[str | None], findings: list[str | None], answer: str | None, text: str = WHAT, confidence: float = 1.0
) -> float:
    return REWARD.reward(outcome(votes, findings, answer, text, confidence))


def test_a_coin_flip_without_evidence_earns_nothing() -> None:
    flips: list[str | None] = ["yes", "no"] * 4
    assert earned(flips, [], "yes", IS_IT, 0.5) == 0
    assert earned(flips, [None, None], "yes", IS_IT, 0.5) == 0, "lists that decide nothing"
    assert earned(flips, ["yes", "no"] * 2, "yes", IS_IT, 0.5) == 0, "lists that flip a coin as well"
    assert earned(flips, ["yes"] * 4, "yes", IS_IT, 0.5) == 1


def test_what_all_votes_know_earns_nothing() -> None:
    assert earned(["red"] * 8, ["red"] * 4, "red") == 0
    assert earned(["red"] * 4 + [None] * 4, ["red"] * 4, "red") == 0, "an answer without a box is no disagreement"


def test_what_is_hard_and_settled_earns_most_and_what_no_vote_solves_little() -> None:
    half, few = ["3"] * 4 + ["4"] * 4, ["3"] + ["4"] * 7
    unsolved, wrong = ["2"] * 4 + ["4"] * 4, ["4"] * 8
    found = [earned(list(votes), ["3"] * 4, "3") for votes in (half, few, unsolved, wrong)]
    assert found == sorted(found, reverse=True) and found[0] == 1
    assert found[2] == pytest.approx(0.25 * 0.5) and found[3] == 0
    assert earned(list(half), ["3", "3", "3", "2"], "3") == 0.75, "three of four lists"


def test_claims_settle_by_the_labelers_confidence() -> None:
    """Findings about claims are no answers to the question."""
    half: list[str | None] = ["sofa", "bed"] * 4
    assert earned(half, ["denied", "seen"], "sofa", confidence=0.9) == pytest.approx(0.9)
    assert earned(half, ["denied", "seen"], "sofa", confidence=0.0) == 0


def test_gates_penalties_and_missing_answers() -> None:
    hard = outcome(["3", "4"] * 4, ["3"] * 4, "3")
    assert REWARD.reward(replace(hard, penalty=0.25)) == 0.75
    assert REWARD.reward(replace(hard, penalty=2.0)) == 0
    assert REWARD.reward(replace(hard, rejected=True)) == 0
    assert REWARD.reward(replace(hard, question=None)) == 0
    assert earned(["3", "4"] * 4, ["3"] * 4, None) == 0
    assert earned([], ["3"] * 4, "3") == 0, "without votes nothing says that it is hard"


ANSWERS = st.lists(st.sampled_from(["red", "blue", "green", None]), min_size=1, max_size=12)


@given(ANSWERS, st.lists(st.sampled_from(["red", "blue", None]), max_size=6), st.floats(0, 1))
def test_it_is_a_share(votes: list[str | None], findings: list[str | None], confidence: float) -> None:
    assert 0 <= earned(votes, findings, "red", confidence=confidence) <= 1


@given(ANSWERS, st.lists(st.sampled_from(["red", "blue"]), min_size=1, max_size=6))
def test_more_evidence_for_the_answer_never_earns_less(votes: list[str | None], findings: list[str | None]) -> None:
    """As long as some finding is an answer to the question."""
    assume("red" in findings)
    assert earned(votes, [*findings, "red"], "red") >= earned(votes, findings, "red") - 1e-9


@given(st.integers(1, 12), st.integers(0, 12))
def test_it_falls_with_the_distance_of_the_solve_rate_from_one_half(n: int, right: int) -> None:
    """Of votes for two answers."""
    assume(right < n)
    votes = [earned(["red"] * k + ["blue"] * (2 * n - k), ["red"], "red") for k in range(2 * n + 1)]
    assert votes[right] <= votes[right + 1] + 1e-9 and votes[2 * n - right] <= votes[2 * n - right - 1] + 1e-9
    assert votes[n] == 1


@given(ANSWERS)
def test_a_vote_that_loses_its_box_never_earns_more_where_votes_are_right_half_the_time(
    votes: list[str | None],
) -> None:
    right = votes.count("red")
    assume(0 < right <= len(votes) / 2 and "blue" in votes)
    worse = list(votes)
    worse[votes.index("blue")] = None
    assert earned(worse, ["red"], "red") <= earned(votes, ["red"], "red") + 1e-9


class Scripted:
    """A Reasoner whose votes and lists are written down."""

    lists_all = True

    def votes(self, questions, m, augmentations=("plain",)):  # type: ignore[no-untyped-def]
        said = {"is there a cat?": ["yes", "no"], "is there a dog?": ["yes"], "how is it?": ["fine", "bad"]}
        return {q.id: tuple(Vote(q.id, i, (said[q.text] * m)[i], "") for i in range(m)) for q in questions}

    def facts(self, questions, n, augmentations):  # type: ignore[no-untyped-def]
        return {q.image.id: (("cat", "dog"),) * n for q in questions}


def test_lists_of_facts_are_evidence() -> None:
    """The votes on the cat are unsure, and the lists settle it; the last question no list can settle."""
    picture = ImageRef("p", b"")
    texts = ["is there a cat?", "is there a dog?", "how is it?"]
    questions = [Question(text, picture, "open", text) for text in texts]
    found = {}
    for candidate in Facts().label(questions, 8, Scripted()):
        completion = Completion("r", 0, (1,), (0.0,), "", True)
        given = QuestionOutcome("k", completion, candidate.question, candidate.result, False, 0.0)
        found[candidate.question.text] = REWARD.reward(
            replace(given, votes=candidate.votes, evidence=candidate.evidence)
        )
    assert found == {"is there a cat?": 1, "is there a dog?": 0, "how is it?": 0}
