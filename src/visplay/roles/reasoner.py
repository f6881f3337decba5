"""The Reasoner S(y | I, x): looks, thinks, answers in `\\boxed{}`; rewarded for agreeing with the silver answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from visplay.answers import extract_boxed, guesses, vote
from visplay.config import ReasonerSettings
from visplay.engines.engine import Engine
from visplay.images.views import leaves_answer, viewed
from visplay.records import Completion, Group, Question, Request, SilverItem, Tally, View, Vote
from visplay.rewards import above_chance, format_score, random_reward, reasoner_reward, soft_reward
from visplay.roles.facts import read_facts
from visplay.roles.prompts import Prompts


class Reasoner:
    """Answers through an engine, as a voter and as a learner, with one and the same prompt.

    Args:
        voter: gives the answers that are not learned from, where that is another engine.
    """

    def __init__(
        self, engine: Engine, prompts: Prompts, settings: ReasonerSettings, seed: int, voter: Engine | None = None
    ) -> None:
        self.engine = engine
        self._voter = voter
        self.prompts = prompts
        self.settings = settings
        self.seed = seed

    @property
    def voter(self) -> Engine:
        """What gives answers that nobody learns from."""
        return self._voter or self.engine

    def votes(
        self, questions: Sequence[Question], m: int, views: Sequence[View] = ("plain",)
    ) -> dict[str, tuple[Vote, ...]]:
        """`m` answers to each question, by question id; spread evenly over `views` of its picture, the first ones
        taking what is left over. A view that could change the answer gives way to the picture as it is."""
        requests = [
            (question, view, self._request(question, share, "vote", view))
            for question in questions
            for view, share in _shares(m, [v if leaves_answer(v, question.text) else "plain" for v in views])
        ]
        completions = self.voter.generate([request for _, _, request in requests], self.settings.sampling)
        votes: dict[str, list[Vote]] = {question.id: [] for question in questions}
        for question, view, request in requests:
            given = votes[question.id]
            given += [_vote(question.id, len(given) + c.index, c, view) for c in completions[request.id]]
        return {question_id: tuple(given) for question_id, given in votes.items()}

    def facts(
        self, questions: Sequence[Question], n: int, views: Sequence[View]
    ) -> dict[str, tuple[tuple[str, ...], ...]]:
        """What is seen on the questions' pictures, by picture id: up to `n` lists of phrases, spread over `views`.

        A picture is looked at once, in the random streams of its first question. An answer that holds no list gives
        none. As lists tell colours, a view that changes them gives way to the picture as it is.
        """
        views = [view if leaves_answer(view, "color") else "plain" for view in views]
        first = {question.picture.id: question for question in reversed(questions)}
        requests = [
            (
                question,
                Request(f"facts/{view}/{question.id}", viewed(question.picture, view), self.prompts.facts, share),
            )
            for question in first.values()
            for view, share in _shares(n, views)
        ]
        completions = self.voter.generate([request for _, request in requests], self.settings.sampling)
        lists: dict[str, list[tuple[str, ...]]] = {picture_id: [] for picture_id in first}
        for question, request in requests:
            read = (read_facts(c.text, self.prompts.learned) for c in completions[request.id] if c.finished)
            lists[question.picture.id] += [facts for facts in read if facts is not None]
        return {picture_id: tuple(found) for picture_id, found in lists.items()}

    def groups(self, items: Sequence[SilverItem], tag: str) -> list[Group]:
        """A group of answers to each silver item, with their rewards; the settings' views take turns.

        To learn on a look that is harder than those voted on is FixMatch's idea (arXiv 2001.07685).
        """
        requests = {}
        for place, item in enumerate(items):
            view = self.settings.views[place % len(self.settings.views)]
            view = view if leaves_answer(view, item.question.text) else "plain"
            requests[item.question.id] = self._request(item.question, self.settings.group_size, tag, view)
        completions = self.engine.generate(list(requests.values()), self.settings.sampling)
        groups = []
        for item in items:
            request = requests[item.question.id]
            rewards = tuple(self._reward(c, item) for c in completions[request.id])
            groups.append(Group(request, completions[request.id], rewards, self._trust(item)))
        return groups

    def _trust(self, item: SilverItem) -> float:
        """How much an item counts: its confidence above chance, where answers can be counted."""
        if not self.settings.trust:
            return 1.0
        options = guesses(item.answer, item.question.text)
        return above_chance(item.confidence, options) if options else item.confidence

    def _reward(self, completion: Completion, item: SilverItem) -> float:
        match self.settings.reward:
            case "random":
                return random_reward(self.seed, f"{completion.request_id}#{completion.index}")
            case "format":
                return float(format_score(completion.text))
            case "soft":
                return soft_reward(completion.text, [vote.answer for vote in item.votes])
            case _:
                return reasoner_reward(completion.text, item.answer, self.settings.format_weight)

    def _request(self, question: Question, n: int, tag: str, view: View = "plain") -> Request:
        name = f"{tag}/{question.id}" if view == "plain" else f"{tag}/{view}/{question.id}"
        return Request(name, viewed(question.picture, view), self.prompts.answer(question.text), n)


def _shares(n: int, views: Sequence[View]) -> list[tuple[View, int]]:
    """How many of `n` answers each view takes, each view once."""
    share, rest = divmod(n, len(views))
    taken: Counter[View] = Counter()
    for place, view in enumerate(views):
        taken[view] += share + (place < rest)
    return [(view, count) for view, count in taken.items() if count]


def tally(question: Question, votes: Sequence[Vote]) -> Tally:
    """The majority over `votes`; an unboxed answer is no vote but counts in the total."""
    answer, confidence, unboxed = vote([v.answer for v in votes])
    return Tally(question.id, answer, confidence, len(votes), unboxed)


def _vote(question_id: str, index: int, completion: Completion, view: View) -> Vote:
    answer = extract_boxed(completion.text) if completion.finished else None
    return Vote(question_id, index, answer, completion.text, view, fmean(completion.logprobs or (0.0,)))
