"""The Reasoner S(y | I, x): looks, thinks, answers in `\\boxed{}`; rewarded for agreeing with the silver answer."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.answers import extract_boxed, vote
from visplay.config import ReasonerSettings
from visplay.engines.engine import Engine
from visplay.records import Completion, Group, Question, Request, SilverItem, Tally, Vote
from visplay.rewards import format_score, random_reward, reasoner_reward
from visplay.roles.prompts import Prompts


class Reasoner:
    """Answers through an engine, as a voter and as a learner, with one and the same prompt."""

    def __init__(self, engine: Engine, prompts: Prompts, settings: ReasonerSettings, seed: int) -> None:
        self.engine = engine
        self.prompts = prompts
        self.settings = settings
        self.seed = seed

    def votes(self, questions: Sequence[Question], m: int) -> dict[str, tuple[Vote, ...]]:
        """`m` answers to each question, by question id."""
        return {
            question_id: tuple(_vote(question_id, c) for c in completions)
            for question_id, completions in self._complete(questions, m, "vote").items()
        }

    def groups(self, items: Sequence[SilverItem], tag: str) -> list[Group]:
        """A group of answers to each silver item, with their rewards."""
        questions = [item.question for item in items]
        completions = self._complete(questions, self.settings.group_size, tag)
        return [
            Group(
                self._request(item.question, self.settings.group_size, tag),
                completions[item.question.id],
                tuple(self._reward(c, item) for c in completions[item.question.id]),
            )
            for item in items
        ]

    def _reward(self, completion: Completion, item: SilverItem) -> float:
        match self.settings.reward:
            case "random":
                return random_reward(self.seed, f"{completion.request_id}#{completion.index}")
            case "format":
                return float(format_score(completion.text))
            case _:
                return reasoner_reward(completion.text, item.answer, self.settings.format_weight)

    def _complete(self, questions: Sequence[Question], n: int, tag: str) -> dict[str, tuple[Completion, ...]]:
        requests = {question.id: self._request(question, n, tag) for question in questions}
        completions = self.engine.generate(list(requests.values()), self.settings.sampling)
        return {question_id: completions[request.id] for question_id, request in requests.items()}

    def _request(self, question: Question, n: int, tag: str) -> Request:
        return Request(f"{tag}/{question.id}", question.picture, self.prompts.answer(question.text), n)


def tally(question: Question, votes: Sequence[Vote]) -> Tally:
    """The majority over `votes`; an unboxed answer is no vote but counts in the total."""
    answer, confidence, unboxed = vote([v.answer for v in votes])
    return Tally(question.id, answer, confidence, len(votes), unboxed)


def _vote(question_id: str, completion: Completion) -> Vote:
    answer = extract_boxed(completion.text) if completion.finished else None
    return Vote(question_id, completion.index, answer, completion.text)
