"""The Questioner's form and its reward, on completions written by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import QuestionerSettings, check_settings
from visplay.interfaces.engine import Sampling
from visplay.roles.prompts import Prompts
from visplay.roles.questioner import Asked, Questioner, parse_question
from visplay.types import Candidate, Completion, Group, ImageRef, Question, Request, VoteResult

PICTURE = ImageRef("p", b"")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<type>open</type><question>what is it?</question>", ("open", "what is it?")),
        (" <type> Multiple Choice </type>\n<question>is\nit red?</question> ", ("multiple choice", "is it red?")),
        ("<type>open</type><question>what is it? ?!.?</question>", ("open", "what is it?")),
        ("<type>open</type><question>what? is it...</question>", ("open", "what? is it...")),
        ("<type>open</type><question> </question>", None),
        ("<type>riddle</type><question>what is it?</question>", None),
        ("<question>what is it?</question>", None),
        ("<type>open</type><question>a?</question><question>b?</question>", None),
        ("<type>open</type><question>a?</question><type>open</type><question>b?</question>", None),
        ("<type>open</type><question>a?</question> or <question>b?", None),
        ("sure! <type>open</type><question>what is it?</question> Isn't it good?", ("open", "what is it?")),
        ("```xml\n<TYPE>Open-Ended</TYPE>\n<QUESTION>what is it?</QUESTION>\n```", ("open", "what is it?")),
        ("<type>Counting</type>, <question>how many?</question>", ("numerical", "how many?")),
        ("<type>**Multiple-Choice** (yes/no)</type><question>1 < 2 > 0?</question>", ("multiple choice", "1 < 2 > 0?")),
        ("<type>open question</type><question>a?</question>\n<answer>a <b></answer>", ("open", "a?")),
        # What is no question of a known type is a draft, if the question comes after it.
        ("<type>the type</type><question>draft</question><type>open</type><question>a?</question>", ("open", "a?")),
        ("<question>draft</question> <type>open</type><question>a?</question>", ("open", "a?")),
        ("<type>open <type>open</type><question>a?</question>", ("open", "a?")),
        (f"<type>open</type><question>{'a' * 2001}</question>", None),
        # A thought is cut off first.
        ("<think>\n\n</think>\n\n<type>open</type><question>a?</question>", ("open", "a?")),
        ("[THINK]hm[/THINK]<type>open</type><question>a?</question>", ("open", "a?")),
        ("<|channel>thought\nhm<channel|><type>open</type><question>a?</question>", ("open", "a?")),
        ("<think>hm</think><|begin_of_box|><type>open</type><question>a?</question><|end_of_box|>", ("open", "a?")),
        ("<think>between <think> and </think>: <type>open</type><question>a?</question>", None),
        ("<type>open</type><question>a?</question><think>or", None),
        ("<type>open</type><question>what is it?", None),
        ("", None),
    ],
)
def test_form(text: str, expected: tuple[str, str] | None) -> None:
    assert parse_question(text) == expected


COLOR = "what color is the car?"


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("<type>open</type>\n<question>What color is the car?</question>", COLOR),
        ("<think>\nI see a car.\n</think>\n\n<type>open</type>\n<question>What color is the car?</question>", COLOR),
        ("I see a car.\n</think>\n\n<type>open</type>\n<question>What color is the car?</question>", COLOR),
        ("```\n<type>open</type>\n<question>What color is the car?</question>\n```", COLOR),
        ("Sure! Here is one:\n<type>open</type>\n<question>What color is the car?</question>", COLOR),
        ("<type>open</type>\n<question>What color is the car?</question>\n<answer>red</answer>", COLOR),
        ("<type>multiple-choice</type><question>Is x < 5 in the plot?</question>", "is x < 5 in the plot?"),
        ("<Type>Numerical</Type><Question>How many bars exceed 10?</Question>", "how many bars exceed 10?"),
        (
            "<think>I could write <type>open</type><question>draft</question> first.</think>"
            "<type>open</type>\n<question>What color is the car?</question>",
            COLOR,
        ),
        ("<think>never ends <type>open</type>\n<question>What color is the car?</question>", None),
        ("<type>open</type>\n<question>What color is the car?</question>" * 2, None),
        ("What color is the car?", None),
    ],
)
def test_what_real_models_write(text: str, question: str | None) -> None:
    parsed = parse_question(text)
    assert (parsed[1].lower() if parsed else None) == question


@pytest.mark.parametrize("piece", ["<type>", "<question>", "<type>open</type><question>", "<think>", "</think>", "<"])
def test_a_hostile_text_takes_no_time(piece: str) -> None:
    started = time.process_time()
    parse_question(piece * 100_000)
    assert time.process_time() - started < 2


@given(st.text(max_size=200))
def test_any_text_parses_or_does_not_but_never_fails(text: str) -> None:
    parse_question(text)
    parse_question(f"<type>open</type><question>{text}</question>")


def asked(texts: list[str | None]) -> list[Asked]:
    request = Request("1/questioner/0/p", PICTURE, "ask", len(texts))
    found = []
    for index, text in enumerate(texts):
        completion = Completion(request.id, index, (1,), (0.0,), text or "rubbish", True)
        question = None if text is None else Question(f"{request.id}#{index}", PICTURE, "open", text)
        found.append(Asked(request, completion, question))
    return found


def judged(results: dict[str, VoteResult]) -> dict[str, Candidate]:
    """Candidates with these results, by question id."""
    return {name: Candidate(Question(name, PICTURE, "open", ""), (), result) for name, result in results.items()}


def made(**settings: object) -> Questioner:
    """A Questioner with these settings that never generates."""
    checked = check_settings({"questioner": settings}, "here").questioner
    return Questioner(None, Prompts(), checked, seed=0)  # type: ignore[arg-type]


def rewards(texts: list[str | None], confidences: list[float], **settings: object) -> tuple[float, ...]:
    members = asked(texts)
    results = {
        one.question.id: VoteResult(one.question.id, "x", confidence, 8, 0)
        for one, confidence in zip(members, confidences, strict=True)
        if one.question is not None
    }
    questioner = made(**settings)
    (group,) = questioner.groups(members, questioner.rewards(members, judged(results)))
    assert [c.index for c in group.completions] == list(range(len(texts)))
    return group.rewards


FOUR = ["what color is the big circle on top?", "how many crosses are there?", "is it a cat?", "why so serious today?"]


def test_the_papers_reward_is_difficulty_less_the_share_of_its_cluster() -> None:
    assert rewards(FOUR, [0.5, 0.75, 1.0, 0.5]) == pytest.approx((0.75, 0.25, 0.0, 0.75))


def test_saying_the_same_four_times_costs_everything() -> None:
    assert rewards([FOUR[0]] * 4, [0.5] * 4) == (0.0, 0.0, 0.0, 0.0)


def test_an_invalid_question_earns_nothing_in_the_paper_and_is_punished_officially() -> None:
    assert rewards([*FOUR[:3], None], [0.5] * 4)[3] == 0.0
    assert rewards([*FOUR[:3], None], [0.5] * 4, reward="official")[3] == pytest.approx(-1.25)
    assert rewards([*FOUR[:3], None], [0.5] * 4, reward="official")[0] == pytest.approx(0.5 - 0.25)


@pytest.mark.parametrize("scope", ["image", "batch"])
def test_invalid_outputs_may_be_clustered_as_empty_texts(scope: str) -> None:
    """As in the published code, where each is like nothing else; by their whole texts, equal ones are one cluster."""
    told, repeats = [*FOUR[:2], None, None], {"scope": scope, "count_repeats": True}
    assert rewards(told, [0.5] * 4, reward="official", diversity=repeats)[2:] == (-1.5, -1.5)
    empty = rewards(told, [0.5] * 4, reward="official", diversity={**repeats, "invalid_as": "empty"})
    assert empty == pytest.approx((0.25, 0.25, -1.25, -1.25))


@pytest.mark.parametrize(
    ("answer", "confidence", "paper", "corrected"),
    [
        ("yes", 0.5, 0.75, 0.0),  # a coin: the paper's best question
        ("no", 0.75, 0.25, 0.75),
        ("B", 0.25, 0.25, 0.0),  # one of four options at random
        ("red", 0.5, 0.75, 0.75),
        (None, 0.0, 0.0, 0.0),
    ],
)
def test_the_chance_corrected_reward_pays_for_agreement_above_chance(
    answer: str | None, confidence: float, paper: float, corrected: float
) -> None:
    for reward, expected in {"paper": paper, "chance_corrected": corrected}.items():
        members = asked(list(FOUR))
        results = {
            one.question.id: VoteResult(one.question.id, answer, confidence, 8, 0) for one in members if one.question
        }
        questioner = made(reward=reward)
        (group,) = questioner.groups(members, questioner.rewards(members, judged(results)))
        assert group.rewards == pytest.approx((expected,) * 4)
    assert rewards([*FOUR[:3], None], [0.5] * 4, reward="chance_corrected")[3] == 0.0


@pytest.mark.parametrize(
    ("votes", "unboxed", "paper", "official"),
    [
        (4, 4, 0.0, 0.0),  # all agree that answered
        (4, 2, 0.5, 0.25),
        (2, 0, 0.5, 0.25),
        (1, 6, 0.25, 0.125),
        (0, 8, 0.0, 0.0),
    ],
)
def test_a_vote_without_a_box_is_no_disagreement(votes: int, unboxed: int, paper: float, official: float) -> None:
    for reward, expected in {"paper": paper, "official": official, "chance_corrected": paper}.items():
        members = asked(list(FOUR))
        answer = "red" if votes else None
        results = {
            one.question.id: VoteResult(one.question.id, answer, votes / 8, 8, unboxed)
            for one in members
            if one.question
        }
        found = made(reward=reward).rewards(members, judged(results))
        assert {parts.base_reward for parts in found.values()} == {expected}


def test_controls_know_nothing_of_the_votes() -> None:
    assert rewards([*FOUR[:3], None], [0.5] * 4, reward="format") == (1.0, 1.0, 1.0, 0.0)
    drawn = rewards(FOUR * 8, [0.5] * 32, reward="random")
    assert drawn == rewards(FOUR * 8, [1.0] * 32, reward="random")
    assert set(drawn) == {0.0, 1.0}


def test_a_breakdown_adds_up() -> None:
    members = asked([*FOUR[:2], FOUR[0], None])
    results = {one.question.id: VoteResult(one.question.id, "x", 0.5, 8, 0) for one in members if one.question}
    for reward in ("paper", "official", "chance_corrected"):
        found = remembering(reward=reward).rewards(members, judged(results))
        assert list(found) == [one.key for one in members]
        for parts in found.values():
            unbounded = parts.base_reward - parts.diversity_penalty - parts.history_penalty
            assert parts.reward == pytest.approx(unbounded if reward == "official" else max(0.0, unbounded))


def test_rewards_follow_ids_not_positions() -> None:
    members = asked(list(FOUR))
    results = {one.question.id: VoteResult(one.question.id, "x", 1.0, 8, 0) for one in members if one.question}
    hard = members[2].question
    assert hard is not None
    results = dict(reversed(results.items())) | {hard.id: VoteResult(hard.id, "x", 0.5, 8, 0)}
    questioner = made()
    (group,) = questioner.groups(members, questioner.rewards(members, judged(results)))
    assert group.rewards.index(max(group.rewards)) == 2


def test_what_a_gate_rejects_earns_nothing_if_the_reward_uses_gates() -> None:
    members = asked(list(FOUR))
    ids = [one.question.id for one in members if one.question]
    results = {name: VoteResult(name, "red", 0.5, 8, 0) for name in ids}
    for reward, expected in {"paper": 0.75, "chance_corrected": 0.0}.items():
        questioner = made(reward=reward)
        (group,) = questioner.groups(members, questioner.rewards(members, judged(results), rejected={ids[1], ids[3]}))
        assert group.rewards == pytest.approx((0.75, expected, 0.75, expected))


def remembering(**settings: object) -> Questioner:
    return made(history_size=8, **settings)


def step(questioner: Questioner, texts: list[str | None], confidence: float = 0.5) -> Group:
    members = asked(texts)
    results = {one.question.id: VoteResult(one.question.id, "x", confidence, 8, 0) for one in members if one.question}
    (group,) = questioner.groups(members, questioner.rewards(members, judged(results)))
    return group


def test_what_earlier_steps_asked_pays_less_and_a_step_does_not_count_against_itself() -> None:
    questioner = remembering()
    assert step(questioner, FOUR).rewards == pytest.approx((0.75,) * 4)
    fresh = ["where does this long road lead to?", "which of both men looks older?", "what is written on top of it?"]
    # One of the four that are remembered asks this, and of the next seven again one.
    assert step(questioner, [FOUR[0], *fresh]).rewards == pytest.approx((0.5, 0.75, 0.75, 0.75))
    assert step(questioner, [FOUR[1], *fresh]).rewards == pytest.approx((0.625, 0.625, 0.625, 0.625))


def test_the_weight_of_the_history_can_be_set() -> None:
    questioner = remembering(history_weight=0.5)
    step(questioner, FOUR)
    assert step(questioner, FOUR).rewards == pytest.approx((0.75 - 0.125,) * 4)


def test_only_questions_are_remembered() -> None:
    questioner = remembering()
    step(questioner, [None] * 4)
    assert questioner.history.state() == {"texts": [], "rewards": []}


def test_a_group_that_asks_one_thing_is_held_against_what_questions_usually_earn() -> None:
    questioner = remembering()
    assert step(questioner, [FOUR[0]] * 4).baseline is None, "nothing is baseline yet"
    for confidence in (0.5, 0.75):
        assert step(questioner, FOUR, confidence).baseline is None, "these differ among themselves"
    for alike in ([FOUR[0]] * 4, [None] * 4):
        baseline = questioner.history.baseline()
        assert step(questioner, alike).baseline == baseline and baseline is not None  # type: ignore[arg-type]


def test_questions_that_are_not_trained_have_a_sampling_of_their_own() -> None:
    used = []

    class Silent:
        def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
            used.append(sampling)
            return {request.id: () for request in requests}

    image, cut = ImageRef("p", b""), Sampling(top_p=0.9)
    for settings in (QuestionerSettings(synthesis_sampling=cut), QuestionerSettings()):
        questioner = Questioner(Silent(), Prompts(), settings, 0)  # type: ignore[arg-type]
        questioner.ask([image], 2, "silver")
        questioner.ask([image], 2, "step", trained=True)
    assert used == [cut, Sampling(), Sampling(), Sampling()]
