"""The labeler `claims`: an honest checker settles answers, and one that only agrees, denies or guesses settles none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.answers import match
from visplay.labeling.claims import Claim
from visplay.labeling.labelers.claims import Claims, Trust, prior, weighed
from visplay.types import Augmentation, Candidate, ImageRef, Question, Vote, VoteResult

COLORS = ("red", "blue", "green", "yellow", "black")
THINGS = ("car", "dog", "chair", "boat", "lamp", "kite")
IMAGES = 120
Checker = Callable[[str, str, random.Random], str]  # the claim, what is true, and chance


class World:
    """Images with a single thing of a colour, and a number of birds."""

    def __init__(self) -> None:
        stream = random.Random(0)
        self.things = {
            f"i{n}": (stream.choice(COLORS), stream.choice(THINGS), stream.randint(1, 6)) for n in range(IMAGES)
        }

    def questions(self) -> list[Question]:
        found = []
        for image, (_, thing, _) in self.things.items():
            texts = (f"what color is the {thing}?", "how many birds are there?", f"is there a {thing}?")
            found += [Question(f"{image}-{n}", ImageRef(image, b""), "open", text) for n, text in enumerate(texts)]
        return found

    def answer(self, question: Question) -> str:
        color, _, birds = self.things[question.image.id]
        return {"0": color, "1": str(birds), "2": "yes"}[question.id[-1]]

    def truth(self, claim: str, image: str) -> str:
        color, thing, birds = self.things[image]
        counted = re.search(r"exactly (\d+)", claim)
        there = re.search(r"is there (not )?an? (?:(\w+) )?(\w+)\?", claim)
        if counted:
            return "yes" if int(counted[1]) == birds else "no"
        assert there, claim
        present = there[3] in (thing, "bird") and there[2] in (None, color)
        return "yes" if present != bool(there[1]) else "no"


class Planted:
    """A voter whose majority is wrong about every fourth question, and whose replies to claims are a checker's."""

    lists_all = False

    def __init__(self, world: World, checker: Checker) -> None:
        self.world, self.checker = world, checker
        self.asked: list[str] = []

    def wrong(self, question: Question) -> bool:
        return int(question.image.id[1:]) % 4 == 0 and question.id[-1] != "2"

    def majority(self, question: Question) -> str:
        true = self.world.answer(question)
        if not self.wrong(question):
            return true
        return str(int(true) + 1) if true.isdigit() else COLORS[COLORS.index(true) - 1]

    def votes(
        self, questions: Sequence[Question], m: int, augmentations: Sequence[Augmentation] = ("plain",)
    ) -> Mapping[str, tuple[Vote, ...]]:
        return {
            question.id: tuple(Vote(question.id, n, self._answer(question, n), "") for n in range(m))
            for question in questions
        }

    def _answer(self, question: Question, n: int) -> str:
        if "~claim" not in question.id:
            return self.majority(question) if n < 6 else "unknown"
        self.asked.append(question.text)
        true = self.world.truth(question.text, question.image.id)
        return self.checker(question.text, true, random.Random(f"{question.id}/{n}"))

    def facts(
        self, questions: Sequence[Question], n: int, augmentations: Sequence[Augmentation]
    ) -> Mapping[str, tuple[tuple[str, ...], ...]]:
        raise AssertionError("claims need no lists")


def honest(claim: str, true: str, chance: random.Random) -> str:
    return true if chance.random() < 0.9 else ("no" if true == "yes" else "yes")


def honest_for_colours(claim: str, true: str, chance: random.Random) -> str:
    return honest(claim, true, chance) if any(color in claim for color in COLORS) else "yes"


CHECKERS: dict[str, Checker] = {
    "honest": honest,
    "colours": honest_for_colours,
    "yes": lambda claim, true, chance: "yes",
    "no": lambda claim, true, chance: "no",
    "coin": lambda claim, true, chance: chance.choice(["yes", "no"]),
    "mostly yes": lambda claim, true, chance: "yes" if chance.random() < 0.8 else "no",
}


def labelled(checker: str) -> tuple[Planted, list[Candidate]]:
    voter = Planted(World(), CHECKERS[checker])
    return voter, Claims(augmentations=("plain",), replies=4).label(voter.world.questions(), 8, voter)


def confidences(voter: Planted, candidates: Sequence[Candidate], kind: str, *, right: bool) -> list[float]:
    """Those of the answers of a kind that are right, or wrong; 0.0 for an answer that was dropped."""
    chosen = [one for one in candidates if one.question.id[-1] == kind and voter.wrong(one.question) != right]
    return [one.result.confidence for one in chosen]


@pytest.mark.parametrize("kind", ["0", "1"])
def test_an_honest_checker_tells_right_from_wrong(kind: str) -> None:
    voter, candidates = labelled("honest")
    right, wrong = (confidences(voter, candidates, kind, right=right) for right in (True, False))
    assert fmean(right) > 0.9 and fmean(wrong) < 0.35
    asked = [one for one in candidates if one.question.id[-1] == kind]
    shares = [
        fmean(
            match(one.result.answer, voter.world.answer(one.question))
            for one in asked
            if one.result.answer and keep(one)
        )
        for keep in (lambda one: True, lambda one: one.result.confidence > 0.8)
    ]
    assert shares[0] > 0.85 and shares[1] > 0.95, "three quarters of the majorities are right"


@pytest.mark.parametrize("checker", ["yes", "no", "coin", "mostly yes"])
def test_a_checker_that_knows_nothing_changes_nothing(checker: str) -> None:
    _, candidates = labelled(checker)
    unchanged = prior(VoteResult("q", "red", 6 / 8, 8, 0))
    assert all(abs(one.result.confidence - unchanged) < 0.12 for one in candidates)
    assert fmean(one.result.confidence for one in candidates) == pytest.approx(unchanged, abs=0.03)


def test_a_checker_that_is_honest_for_colours_is_trusted_with_colours_alone() -> None:
    voter, candidates = labelled("colours")
    assert fmean(confidences(voter, candidates, "0", right=True)) > 0.9
    assert fmean(confidences(voter, candidates, "0", right=False)) < 0.2
    counts = [confidences(voter, candidates, "1", right=right) for right in (True, False)]
    assert fmean(counts[0]) == pytest.approx(fmean(counts[1]), abs=0.02) == pytest.approx(0.7, abs=0.05)


def test_what_was_asked_is_recorded_and_counted() -> None:
    voter, candidates = labelled("honest")
    first = next(one for one in candidates if one.question.id == "i1-0")
    texts = [evidence.text for evidence in first.evidence]
    assert len(texts) == 4 and sum(text.startswith("false on purpose: is there") for text in texts) == 2
    assert all(evidence.finding and evidence.finding.endswith(("say yes", "say no")) for evidence in first.evidence)
    votes, asked = Claims(augmentations=("plain",), replies=4).requests(3, 8)
    assert (votes.kind, asked.kind, asked.prompts, asked.completions) == ("votes", "claims", 12, 48)
    assert len(voter.asked) <= IMAGES * asked.completions


def test_an_answer_without_votes_or_claims_stays_as_it_is() -> None:
    silent = VoteResult("q", None, 0.0, 8, 8)
    assert weighed(silent, {}, Trust()) == silent
    assert Claims().label([], 8, Planted(World(), honest)) == []


shares = st.lists(st.floats(0, 1), max_size=8)
CLAIM = Claim("is there a dog?", "yes", "exists")


@given(shares, shares, st.floats(0, 1))
def test_trust_moves_an_answer_towards_the_replies_and_never_to_certainty(
    true: list[float], false: list[float], share: float
) -> None:
    trust = Trust()
    for found, is_true in ((true, True), (false, False)):
        for each in found:
            trust.learn({CLAIM: each}, true=is_true)
    rates = trust.rates(CLAIM)
    assert all(0 < rate < 1 for rate in rates)
    assert trust.log_odds(CLAIM, 1.0) >= trust.log_odds(CLAIM, share) >= trust.log_odds(CLAIM, 0.0)
    assert trust.log_odds(CLAIM, 1.0) >= 0 >= trust.log_odds(CLAIM, 0.0)
    found = weighed(VoteResult("q", "yes", 0.5, 8, 0), {CLAIM: share}, trust)
    assert 0 <= found.confidence < 1 and (found.answer is None) == (found.confidence == 0)


@given(st.integers(1, 50), st.floats(0, 1))
def test_a_checker_that_says_as_much_to_false_claims_has_no_trust(number: int, rate: float) -> None:
    trust = Trust()
    for _ in range(number):
        trust.learn({CLAIM: rate}, true=True)
        trust.learn({CLAIM: rate}, true=False)
    assert (
        trust.log_odds(CLAIM, 1.0) == pytest.approx(0, abs=1e-9) == pytest.approx(trust.log_odds(CLAIM, 0.0), abs=1e-9)
    )
