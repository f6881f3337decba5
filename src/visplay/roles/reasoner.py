"""The Reasoner S(y | I, x): looks, thinks, answers in `\\boxed{}`; rewarded for agreeing with the silver answer."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import extract_boxed, vote
from visplay.config import ReasonerSettings
from visplay.engines.engine import Engine
from visplay.images.views import viewed
from visplay.records import Completion, Group, Question, Request, SilverItem, Tally, View, Vote
from visplay.rewards import format_score, random_reward, reasoner_reward
from visplay.roles.prompts import Prompts


class Reasoner:
    """Answers through an engine, as a voter and as a learner, with one and the same prompt."""

    def __init__(self, engine: Engine, prompts: Prompts, settings: ReasonerSettings, seed: int) -> None:
        self.engine = engine
        self.prompts = prompts
        self.settings = settings
        self.seed = seed

    def votes(
        self, questions: Sequence[Question], m: int, views: Sequence[View] = ("plain",)
    ) -> dict[str, tuple[Vote, ...]]:
        """`m` answers to each question, by question id; spread evenly over `views` of its picture, the first ones
        taking what is left over."""
        share, rest = divmod(m, len(views))
        requests = [
            (question, view, self._request(question, share + (place < rest), "vote", view))
            for question in questions
            for place, view in enumerate(views)
            if place < m
        ]
        completions = self.engine.generate([request for _, _, request in requests], self.settings.sampling)
        votes: dict[str, list[Vote]] = {question.id: [] for question in questions}
        for question, view, request in requests:
            given = votes[question.id]
            given += [_vote(question.id, len(given) + c.index, c, view) for c in completions[request.id]]
        return {question_id: tuple(given) for question_id, given in votes.items()}

    def groups(self, items: Sequence[SilverItem], tag: str) -> list[Group]:
        """A group of answers to each silver item, with their rewards."""
        requests = {item.question.id: self._request(item.question, self.settings.group_size, tag) for item in items}
        completions = self.engine.generate(list(requests.values()), self.settings.sampling)
        groups = []
        for item in items:
            request = requests[item.question.id]
            rewards = tuple(self._reward(c, item) for c in completions[request.id])
            groups.append(Group(request, completions[request.id], rewards))
        return groups

    def _reward(self, completion: Completion, item: SilverItem) -> float:
        match self.settings.reward:
            case "random":
                return random_reward(self.seed, f"{completion.request_id}#{completion.index}")
            case "format":
                return float(format_score(completion.text))
            case _:
                return reasoner_reward(completion.text, item.answer, self.settings.format_weight)

    def _request(self, question: Question, n: int, tag: str, view: View = "plain") -> Request:
        name = f"{tag}/{question.id}" if view == "plain" else f"{tag}/{view}/{question.id}"
        return Request(name, viewed(question.picture, view), self.prompts.answer(question.text), n)


def tally(question: Question, votes: Sequence[Vote]) -> Tally:
    """The majority over `votes`; an unboxed answer is no vote but counts in the total."""
    answer, confidence, unboxed = vote([v.answer for v in votes])
    return Tally(question.id, answer, confidence, len(votes), unboxed)


def _vote(question_id: str, index: int, completion: Completion, view: View) -> Vote:
    answer = extract_boxed(completion.text) if completion.finished else None
    return Vote(question_id, index, answer, completion.text, view)
