"""The Reasoner's votes and rewards, on completions written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from visplay.config import ReasonerSettings, check_settings
from visplay.interfaces.engine import Sampling
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Completion, ImageRef, Question, Request, SilverItem


class Speaker:
    """An engine that gives these answers in turn; an empty one was cut off before a token was drawn."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        answer = self.answers[index % len(self.answers)]
        logprobs = (-0.5, -1.5) if answer else ()
        return Completion(request.id, index, (1, 2)[: len(logprobs)], logprobs, f"\\boxed{{{answer}}}", bool(answer))


def reasoner(*answers: str, **settings: object) -> Reasoner:
    prompts = Prompts(questioner="ask", reasoner="{question}", learned=True)
    checked = check_settings({"reasoner": {"group_size": 4, **settings}}, "here").reasoner
    return Reasoner(Speaker(*answers), prompts, checked, 0)


def item(answer: str, confidence: float, text: str = "what is it?") -> SilverItem:
    return SilverItem(Question("q", ImageRef("p", b""), "open", text), answer, confidence, ())


def test_a_vote_carries_the_mean_log_probability_of_its_tokens() -> None:
    votes = reasoner("red", "").votes([item("red", 1.0).question], 2)["q"]
    assert [(vote.answer, vote.logprob) for vote in votes] == [("red", -1.0), (None, 0.0)]


def test_a_voter_gives_the_votes_and_the_engine_what_is_learned_from() -> None:
    prompts = Prompts(questioner="ask", reasoner="{question}", learned=True)
    role = Reasoner(Speaker("red"), prompts, ReasonerSettings(group_size=2), 0, Speaker("blue"))
    silver = item("red", 1.0)
    assert {vote.answer for vote in role.votes([silver.question], 3)["q"]} == {"blue"}
    (group,) = role.groups([silver], "t")
    assert group.rewards == (1.0, 1.0)


def test_votes_have_a_sampling_of_their_own() -> None:
    used = []

    class Recorder(Speaker):
        def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
            used.append(sampling)
            return super().generate(requests, sampling)

    prompts = Prompts(questioner="ask", reasoner="{question}", learned=True)
    settings = ReasonerSettings(group_size=2, vote_sampling=Sampling(top_k=40))
    role, silver = Reasoner(Recorder("red"), prompts, settings, 0), item("red", 1.0)
    role.votes([silver.question], 3)
    role.facts([silver.question], 1, ("plain",))
    role.groups([silver], "t")
    assert used == [Sampling(top_k=40), Sampling(top_k=40), Sampling()]


def test_an_answer_near_the_length_limit_earns_less() -> None:
    role = reasoner("red", overlong_buffer=2, sampling=Sampling(max_tokens=3))
    (group,) = role.groups([item("red", 1.0)], "t")
    assert {len(c.token_ids) for c in group.completions} == {2} and group.rewards == (0.5,) * 4


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        ("silver", (1.0, 0.0, 0.0, 0.0)),
        ({"type": "silver", "format_weight": 0.25}, (1.0, 0.25, 0.25, 0.0)),
        ("format", (1.0, 1.0, 1.0, 0.0)),
    ],
)
def test_rewards_follow_the_silver_answer_or_the_form(reward: object, expected: tuple[float, ...]) -> None:
    silver = item("red", 0.5)
    (group,) = reasoner("red", "blue", "green", "", reward=reward).groups([silver], "t")
    assert group.rewards == expected


def test_a_random_reward_is_another_one_for_each_seed() -> None:
    items = [replace(item("red", 1.0), question=replace(item("red", 1.0).question, id=f"q{n}")) for n in range(32)]
    settings = check_settings({"reasoner": {"reward": "random"}}, "here").reasoner
    drawn = [
        [group.rewards for group in Reasoner(Speaker("red"), Prompts(learned=True), settings, seed).groups(items, "t")]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_was_voted_on_is_learned_on_views_that_take_turns() -> None:
    items = [item("red", 1.0, text) for text in ("what is it?", "is it left of it?", "what is left?", "how many?")]
    items = [replace(one, question=replace(one.question, id=f"q{n}")) for n, one in enumerate(items)]
    found = reasoner("red", augmentations=("plain", "mirrored", "brighter")).groups(items, "t")
    images = {group.request.id: group.request.image.id for group in found}
    assert images == {"t/q0": "p", "t/q1": "p", "t/brighter/q2": "p~brighter", "t/q3": "p"}, "a mirror turns left"
    assert {group.rewards for group in found} == {(1.0,) * 4}


class Shown(Speaker):
    """An engine that gives the letter that "blue" has in the prompt, and remembers the prompts."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.prompts += [request.prompt for request in requests for _ in range(request.n)]
        return super().generate(requests, sampling)

    def _complete(self, request: Request, index: int) -> Completion:
        letter = next(
            mark[0] for mark in request.prompt.split(" ") if f"{mark} blue" in request.prompt and mark[1:] == "."
        )
        return Completion(request.id, index, (1,), (0.0,), f"\\boxed{{{letter}}}", True)


CHOICE = Question("q", ImageRef("p", b""), "multiple choice", "Which? A. red B. blue C. green D. gray")


def shown_to(settings: ReasonerSettings, seed: int = 0) -> tuple[list[str], set[str | None]]:
    engine = Shown()
    role = Reasoner(engine, Prompts(questioner="ask", reasoner="{question}", learned=True), settings, seed)
    votes = role.votes([CHOICE], 8, ("plain", "darker"))["q"]
    assert [vote.index for vote in votes] == list(range(8))
    return engine.prompts, {vote.answer for vote in votes}


def test_each_vote_sees_the_options_in_another_order_and_votes_in_the_letters_of_the_question() -> None:
    prompts, answers = shown_to(ReasonerSettings())
    assert answers == {"B. blue"}
    assert len(set(prompts)) > 4
    firsts = [prompt.split(" ")[2] for prompt in prompts]
    assert {firsts.count(colour) for colour in ("red", "blue", "green", "gray")} == {2}, "each is as often the first"
    assert (prompts, answers) == shown_to(ReasonerSettings()) and prompts != shown_to(ReasonerSettings(), 1)[0]


def test_options_can_stay_where_they_are() -> None:
    prompts, answers = shown_to(ReasonerSettings(shuffle_options=False))
    assert set(prompts) == {CHOICE.text} and answers == {"B"}


def test_training_asks_the_question_as_it_is() -> None:
    engine = Shown()
    role = Reasoner(engine, Prompts(questioner="ask", reasoner="{question}", learned=True), ReasonerSettings(), 0)
    (group,) = role.groups([SilverItem(CHOICE, "B. blue", 1.0, ())], "t")
    assert set(engine.prompts) == {CHOICE.text} and set(group.rewards) == {1.0}
