"""The Reasoner S(y | I, x): answers a question about an image in `\\boxed{}`; rewarded for the silver answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from visplay.answers import extract_boxed, reply
from visplay.config import ReasonerSettings
from visplay.data.augmentations import augmented, preserves_answer
from visplay.interfaces.engine import Engine
from visplay.rl.rewards.completion import overlong_penalty
from visplay.roles.form import FormCheck
from visplay.roles.prompts import Prompts
from visplay.types import Augmentation, Completion, Group, Question, Request, SilverItem, Vote

_LIST = re.compile(r"<facts>([^<>]*)</facts>")
_BEGINNING = re.compile(r"<think>([^<>.\n]*)")
_LONGEST_LIST = 200  # phrases; further ones are ignored


def read_facts(text: str, learned: bool = False) -> tuple[str, ...] | None:
    """The phrases of `<facts>red car, small brown dog</facts>`, in lower case and in order; None without a list.

    "no", "none" and "nothing" are left out. A list in a thought does not count. But if the model has `learned` to begin
    its reasoning with the list, the first sentence of `<think>` is the list of a text without `<facts>`.
    """
    found = _LIST.search(reply(text) or "") or (_BEGINNING.search(text) if learned else None)
    if found is None:
        return None
    phrases = (" ".join(part.lower().split()) for part in found[1].split(","))
    return tuple(phrase for phrase in phrases if phrase not in ("", "no", "none", "nothing"))[:_LONGEST_LIST]


@dataclass(eq=False)
class Reasoner:
    """Answers questions by an engine, for votes and for training, with the same prompt."""

    engine: Engine
    prompts: Prompts
    settings: ReasonerSettings
    seed: int
    vote_engine: Engine | None = None
    form_check: FormCheck | None = None

    @property
    def voter(self) -> Engine:
        """The engine for answers that are not trained on."""
        return self.vote_engine or self.engine

    def votes(
        self, questions: Sequence[Question], m: int, augmentations: Sequence[Augmentation] = ("plain",)
    ) -> dict[str, tuple[Vote, ...]]:
        """`m` answers to each question, by question id.

        The answers are spread evenly over the augmentations of the image; the first augmentations get the remainder. An
        augmentation that could change the answer is replaced by the plain image.
        """
        asked = [
            (question.id, augmentation, self._request(question, share, "vote", augmentation))
            for question in questions
            for augmentation, share in spread_votes(m, augmentations, question.text)
        ]
        completions = self.voter.generate([request for *_, request in asked], self.settings.untrained_sampling)
        votes: dict[str, list[Vote]] = {question.id: [] for question in questions}
        outputs: list[tuple[Completion, bool]] = []
        for question_id, augmentation, request in asked:
            for completion in completions[request.id]:
                answer = extract_boxed(completion.text) if completion.finished else None
                logprob = fmean(completion.logprobs or (0.0,))
                outputs.append((completion, answer is not None))
                given = votes[question_id]
                given.append(Vote(question_id, len(given), answer, completion.text, augmentation, logprob))
        if self.form_check:
            self.form_check.look(outputs)
        return {question_id: tuple(given) for question_id, given in votes.items()}

    def facts(
        self, questions: Sequence[Question], n: int, augmentations: Sequence[Augmentation]
    ) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Lists of the things on the questions' images, by image id: up to `n` per image, spread over `augmentations`.

        The random streams are those of an image's first question. A completion without a list is left out. Lists
        contain all things and their colours, so the plain image replaces an augmentation that changes colours or cuts a
        margin off.
        """
        first = {question.image.id: question for question in reversed(questions)}
        asked = []
        for image_id, question in first.items():
            for augmentation, share in spread_votes(n, augmentations, "color of all things"):
                name, image = f"facts/{augmentation}/{question.id}", augmented(question.image, augmentation)
                asked.append((image_id, Request(name, image, self.prompts.facts, share)))
        completions = self.voter.generate([request for _, request in asked], self.settings.untrained_sampling)
        lists: dict[str, list[tuple[str, ...]]] = {image_id: [] for image_id in first}
        for image_id, request in asked:
            read = (read_facts(c.text, self.prompts.learned) for c in completions[request.id] if c.finished)
            lists[image_id] += [facts for facts in read if facts is not None]
        return {image_id: tuple(found) for image_id, found in lists.items()}

    def groups(self, items: Sequence[SilverItem], tag: str) -> list[Group]:
        """A group of answers to each silver item, with rewards; the settings' augmentations alternate between items.

        Training on stronger augmentations than those of the votes follows FixMatch (arXiv 2001.07685).
        """
        augmentations, requests = self.settings.augmentations, []
        for place, item in enumerate(items):
            augmentation = _kept(augmentations[place % len(augmentations)], item.question.text)
            requests.append(self._request(item.question, self.settings.group_size, tag, augmentation))
        completions = self.engine.generate(requests, self.settings.sampling)
        return [
            Group(request, completions[request.id], tuple(self._reward(c, item) for c in completions[request.id]))
            for request, item in zip(requests, items, strict=True)
        ]

    def _reward(self, completion: Completion, item: SilverItem) -> float:
        key = f"{self.seed}/{completion.request_id}#{completion.index}"
        reward = self.settings.reward.reward(completion, item, key)
        limit, buffer = self.settings.sampling.max_tokens, self.settings.overlong_buffer
        return reward + (overlong_penalty(len(completion.token_ids), limit, buffer) if limit else 0.0)

    def _request(self, question: Question, n: int, tag: str, augmentation: Augmentation) -> Request:
        name = f"{tag}/{question.id}" if augmentation == "plain" else f"{tag}/{augmentation}/{question.id}"
        return Request(name, augmented(question.image, augmentation), self.prompts.answer(question.text), n)


def _kept(augmentation: Augmentation, question: str) -> Augmentation:
    return augmentation if preserves_answer(augmentation, question) else "plain"


def spread_votes(n: int, augmentations: Sequence[Augmentation], question: str) -> list[tuple[Augmentation, int]]:
    """Each distinct augmentation with its number of the `n` answers; "plain" replaces what may change the answer."""
    share, rest = divmod(n, len(augmentations))
    taken: Counter[Augmentation] = Counter()
    for place, augmentation in enumerate(augmentations):
        taken[_kept(augmentation, question)] += share + (place < rest)
    return [(augmentation, count) for augmentation, count in taken.items() if count]
