"""The Reasoner S(y | I, x): answers a question about an image in `\\boxed{}`; rewarded for the silver answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from visplay.answers import extract_boxed
from visplay.config import ReasonerSettings
from visplay.data.augmentations import augmented, preserves_answer
from visplay.interfaces.engine import Engine
from visplay.rl.rewards.completion import overlong_penalty
from visplay.roles.parsing import read_facts
from visplay.roles.prompts import Prompts
from visplay.types import Augmentation, Completion, Group, Question, Request, SilverItem, Vote


class Reasoner:
    """Answers questions by an engine, for votes and for training, with the same prompt.

    Args:
        voter: engine for answers that are not trained on; by default `engine`.
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
        """The engine for answers that are not trained on."""
        return self._voter or self.engine

    def votes(
        self, questions: Sequence[Question], m: int, augmentations: Sequence[Augmentation] = ("plain",)
    ) -> dict[str, tuple[Vote, ...]]:
        """`m` answers to each question, by question id.

        The answers are spread evenly over the augmentations of the image; the first augmentations get the remainder. An
        augmentation that could change the answer is replaced by the plain image.
        """
        requests = [
            (question, augmentation, self._request(question, share, "vote", augmentation))
            for question in questions
            for augmentation, share in _shares(
                m, [v if preserves_answer(v, question.text) else "plain" for v in augmentations]
            )
        ]
        completions = self.voter.generate([request for _, _, request in requests], self.settings.untrained_sampling)
        votes: dict[str, list[Vote]] = {question.id: [] for question in questions}
        for question, augmentation, request in requests:
            given = votes[question.id]
            given += [_vote(question.id, len(given) + c.index, c, augmentation) for c in completions[request.id]]
        return {question_id: tuple(given) for question_id, given in votes.items()}

    def facts(
        self, questions: Sequence[Question], n: int, augmentations: Sequence[Augmentation]
    ) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Lists of the things on the questions' images, by image id: up to `n` per image, spread over `augmentations`.

        The random streams are those of an image's first question. A completion without a list is left out. Lists
        contain colours, so an augmentation that changes colours is replaced by the plain image.
        """
        augmentations = [
            augmentation if preserves_answer(augmentation, "color") else "plain" for augmentation in augmentations
        ]
        first = {question.image.id: question for question in reversed(questions)}
        requests = [
            (
                question,
                Request(
                    f"facts/{augmentation}/{question.id}",
                    augmented(question.image, augmentation),
                    self.prompts.facts,
                    share,
                ),
            )
            for question in first.values()
            for augmentation, share in _shares(n, augmentations)
        ]
        completions = self.voter.generate([request for _, request in requests], self.settings.untrained_sampling)
        lists: dict[str, list[tuple[str, ...]]] = {image_id: [] for image_id in first}
        for question, request in requests:
            read = (read_facts(c.text, self.prompts.learned) for c in completions[request.id] if c.finished)
            lists[question.image.id] += [facts for facts in read if facts is not None]
        return {image_id: tuple(found) for image_id, found in lists.items()}

    def groups(self, items: Sequence[SilverItem], tag: str) -> list[Group]:
        """A group of answers to each silver item, with rewards; the settings' augmentations alternate between items.

        Training on stronger augmentations than those of the votes follows FixMatch (arXiv 2001.07685).
        """
        requests = {}
        for place, item in enumerate(items):
            augmentation = self.settings.augmentations[place % len(self.settings.augmentations)]
            augmentation = augmentation if preserves_answer(augmentation, item.question.text) else "plain"
            requests[item.question.id] = self._request(item.question, self.settings.group_size, tag, augmentation)
        completions = self.engine.generate(list(requests.values()), self.settings.sampling)
        groups = []
        for item in items:
            request = requests[item.question.id]
            rewards = tuple(self._reward(c, item) + self._overlong(c) for c in completions[request.id])
            groups.append(Group(request, completions[request.id], rewards))
        return groups

    def _reward(self, completion: Completion, item: SilverItem) -> float:
        key = f"{self.seed}/{completion.request_id}#{completion.index}"
        return self.settings.reward.reward(completion, item, key)

    def _overlong(self, completion: Completion) -> float:
        limit, buffer = self.settings.sampling.max_tokens, self.settings.overlong_buffer
        return overlong_penalty(len(completion.token_ids), limit, buffer) if limit else 0.0

    def _request(self, question: Question, n: int, tag: str, augmentation: Augmentation = "plain") -> Request:
        name = f"{tag}/{question.id}" if augmentation == "plain" else f"{tag}/{augmentation}/{question.id}"
        return Request(name, augmented(question.image, augmentation), self.prompts.answer(question.text), n)


def _shares(n: int, augmentations: Sequence[Augmentation]) -> list[tuple[Augmentation, int]]:
    """Each distinct augmentation with its number of the `n` answers."""
    share, rest = divmod(n, len(augmentations))
    taken: Counter[Augmentation] = Counter()
    for place, augmentation in enumerate(augmentations):
        taken[augmentation] += share + (place < rest)
    return [(augmentation, count) for augmentation, count in taken.items() if count]


def _vote(question_id: str, index: int, completion: Completion, augmentation: Augmentation) -> Vote:
    answer = extract_boxed(completion.text) if completion.finished else None
    return Vote(question_id, index, answer, completion.text, augmentation, fmean(completion.logprobs or (0.0,)))
