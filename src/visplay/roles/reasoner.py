"""The Reasoner S(y | I, x): answers a question about an image in `\\boxed{}`; rewarded for the silver answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from visplay.answers import ListedOptions, extract_boxed, listed_options, reply
from visplay.config import ReasonerSettings
from visplay.data.augmentations import augmented, for_records, preserves_answer
from visplay.data.random_streams import random_stream
from visplay.interfaces.engine import Engine
from visplay.rl.rewards.completion import overlong_penalty
from visplay.roles.form import FormCheck
from visplay.roles.prompts import Prompts
from visplay.types import Augmentation, Completion, Group, ImageRef, Question, Request, SilverItem, Vote, WrittenRecord

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


@dataclass(frozen=True, slots=True)
class _Ordered:
    """A request for votes, and the order in which it shows the options that the question lists."""

    request: Request
    options: ListedOptions | None = None
    order: tuple[int, ...] = ()

    def answer(self, completion: Completion) -> str | None:
        """What is boxed, in the letters of the question; None for what is cut off."""
        answer = extract_boxed(completion.text) if completion.finished else None
        return answer if answer is None or self.options is None else self.options.brought_back(answer, self.order)


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

    @property
    def lists_all(self) -> bool:
        """Whether its lists name every thing: a model that was taught to write lists was taught whole ones."""
        return self.prompts.learned

    def votes(
        self, questions: Sequence[Question], m: int, augmentations: Sequence[Augmentation] = ("plain",)
    ) -> dict[str, tuple[Vote, ...]]:
        """`m` answers to each question, by question id.

        The answers are spread evenly over the augmentations of the image; the first augmentations get the remainder. An
        augmentation that could change the answer is replaced by the plain image. Options that a question lists are in
        another order for each answer, and the answer is brought back to the question's own letters. So a habit of
        answering with the first letter gives no majority.
        """
        asked = [
            (question.id, augmentation, ordered)
            for question in questions
            for augmentation, share in spread_votes(m, _fitting(augmentations, question), question.text)
            for ordered in self._ordered(self._request(question, share, "vote", augmentation), question)
        ]
        requests = [ordered.request for *_, ordered in asked]
        completions = self.voter.generate(requests, self.settings.untrained_sampling)
        votes: dict[str, list[Vote]] = {question.id: [] for question in questions}
        outputs: list[tuple[Completion, bool]] = []
        for question_id, augmentation, ordered in asked:
            for completion in completions[ordered.request.id]:
                answer = ordered.answer(completion)
                logprob = fmean(completion.logprobs or (0.0,))
                outputs.append((completion, answer is not None))
                given = votes[question_id]
                given.append(Vote(question_id, len(given), answer, completion.text, augmentation, logprob))
        if self.form_check:
            self.form_check.look(outputs)
        return {question_id: tuple(given) for question_id, given in votes.items()}

    def _ordered(self, request: Request, question: Question) -> Iterator[_Ordered]:
        """The request, or one for each order in which the options are shown."""
        options = listed_options(question.text) if self.settings.shuffle_options else None
        if options is None:
            yield _Ordered(request)
            return
        stream = random_stream(self.seed, f"options/{request.id}")
        orders: Counter[tuple[int, ...]] = Counter()
        while orders.total() < request.n:
            order = [int(place) for place in stream.permutation(len(options.texts))]
            # All turns of an order before the next one, so that an option is as often A as B.
            turns = min(len(order), request.n - orders.total())
            orders.update((*order[turn:], *order[:turn]) for turn in range(turns))
        for shown, share in orders.items():
            name = f"{request.id}/{''.join(options.letters[place] for place in shown)}"
            prompt = self.prompts.answer(options.in_order(shown))
            yield _Ordered(replace(request, id=name, prompt=prompt, n=share), options, shown)

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

    def records(
        self,
        about: Sequence[Question | ImageRef],
        n: int,
        augmentations: Sequence[Augmentation],
        tag: str = "record",
        schema: str = "",
    ) -> dict[str, tuple[WrittenRecord, ...]]:
        """Records of images, or of the questions' images, by image id: up to `n` per image, over `augmentations`.

        The random streams are those of an image's first question, or of the image. The plain image replaces an
        augmentation that moves things or changes colours. `schema` guides the decoding if the prompt asks for JSON.
        """
        prompt, complete = self.prompts.record, self.prompts.complete_kinds
        schema = schema if "json" in prompt.lower() else ""
        first = {image.id: (one.id, image) for one in reversed(about) for image in [_image(one)]}
        shares = _spread(n, for_records(augmentations))
        asked = {
            image_id: [
                Request(f"{tag}/{augmentation}/{name}", augmented(image, augmentation), prompt, share, schema=schema)
                for augmentation, share in shares
            ]
            for image_id, (name, image) in first.items()
        }
        requests = [request for requests in asked.values() for request in requests]
        completions = self.voter.generate(requests, self.settings.untrained_sampling)
        return {
            image_id: tuple(WrittenRecord(c.text, c.finished, complete) for r in requests for c in completions[r.id])
            for image_id, requests in asked.items()
        }

    def groups(self, items: Sequence[SilverItem], tag: str) -> list[Group]:
        """A group of answers to each silver item, with rewards; the settings' augmentations alternate between items.

        Training on stronger augmentations than those of the votes follows FixMatch (arXiv 2001.07685).
        """
        requests = []
        for place, item in enumerate(items):
            augmentations = _fitting(self.settings.augmentations, item.question)
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


def _fitting(augmentations: Sequence[Augmentation], question: Question) -> Sequence[Augmentation]:
    """The augmentations that an image allows: of a made image, whose question is about how it was made, none."""
    return ("plain",) if question.image.made else augmentations


def _kept(augmentation: Augmentation, question: str) -> Augmentation:
    return augmentation if preserves_answer(augmentation, question) else "plain"


def spread_votes(n: int, augmentations: Sequence[Augmentation], question: str) -> list[tuple[Augmentation, int]]:
    """Each distinct augmentation with its number of the `n` answers; "plain" replaces what may change the answer."""
    return _spread(n, [_kept(augmentation, question) for augmentation in augmentations])


def _spread(n: int, augmentations: Sequence[Augmentation]) -> list[tuple[Augmentation, int]]:
    share, rest = divmod(n, len(augmentations))
    taken: Counter[Augmentation] = Counter()
    for place, augmentation in enumerate(augmentations):
        taken[augmentation] += share + (place < rest)
    return [(augmentation, count) for augmentation, count in taken.items() if count]


def _image(about: Question | ImageRef) -> ImageRef:
    return about.image if isinstance(about, Question) else about
