"""The Questioner Q(x | I): one image in, one question out; rewarded for hard, varied, valid questions."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from visplay.answers import guesses
from visplay.config import QuestionerSettings
from visplay.generation.engine import Engine
from visplay.rl.rewards import (
    chance_corrected_reward,
    clusters,
    diversity,
    official_questioner_reward,
    questioner_reward,
    random_reward,
)
from visplay.roles.prompts import Prompts
from visplay.roles.question_history import QuestionHistory
from visplay.types import Completion, Group, ImageRef, Question, QuestionType, Request, VoteResult

_FORM = re.compile(r"\s*<type>([^<>]{1,40})</type>\s*<question>([^<>]{1,2000})</question>\s*")
_ASKED_TWICE = re.compile(r"\?[?!.\s]+$")


@dataclass(frozen=True, slots=True)
class Asked:
    """One completion of the Questioner; `question` is None when it is not in the agreed form."""

    request: Request
    completion: Completion
    question: Question | None

    @property
    def key(self) -> str:
        """Unique among a run's completions; the id of its question, where it is one."""
        return f"{self.request.id}#{self.completion.index}"


@dataclass(frozen=True, slots=True)
class RewardBreakdown:
    """What a completion earns, and of what that is made.

    Attributes:
        base: what it would earn if nothing else resembled it.
        diversity_penalty: λ · |cluster| / G: what it pays for those of its group, or batch, that resemble it.
        history_penalty: what it pays for having been asked in earlier steps.
        total: what it earns; `base` less both penalties, and with most rewards 0 at the least.
    """

    base: float
    diversity_penalty: float
    history_penalty: float
    total: float


def parse_question(text: str) -> tuple[QuestionType, str] | None:
    """Type and question of `<type>…</type><question>…</question>`, None for any other form.

    A question that ends in several marks ends in one: "???" asks nothing that "?" does not, and would pass for variety.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    words = _ASKED_TWICE.sub("?", " ".join(found[2].split()))
    for known in get_args(QuestionType):
        if found[1].strip().lower() == known and words:
            return known, words
    return None


class Questioner:
    """Asks through an engine and is rewarded from the Reasoner's results."""

    def __init__(self, engine: Engine, prompts: Prompts, settings: QuestionerSettings, seed: int) -> None:
        self.engine = engine
        self.prompts = prompts
        self.settings = settings
        self.seed = seed
        self.history = QuestionHistory(settings.history_size, settings.diversity_threshold)

    def ask(self, images: Sequence[ImageRef], n: int, tag: str, trained: bool = False) -> list[Asked]:
        """`n` completions per image.

        Args:
            tag: makes the request ids, and so the random streams, unique.
            trained: whether the Questioner is trained on them; else they are drawn by `synthesis_sampling`.
        """
        requests = [Request(f"{tag}/{p.id}", p, self.prompts.ask(), n) for p in images]
        sampling = self.settings.sampling if trained else self.settings.untrained_sampling
        completions = self.engine.generate(requests, sampling)
        return [_read(request, c) for request in requests for c in completions[request.id]]

    def rewards(
        self, asked: Sequence[Asked], results: Mapping[str, VoteResult], dropped: Collection[str] = ()
    ) -> dict[str, RewardBreakdown]:
        """What each completion earns, by its key (ALGORITHM section 2).

        Args:
            results: the Reasoner's vote by question id, for every parsed question.
            dropped: ids of the questions that a gate drops.
        """
        shares = self._shares(asked)
        remembered = self._remembered(asked)
        return {
            one.key: RewardBreakdown(
                self._reward(one, results, 0.0, dropped),
                shares[one.key],
                remembered[one.key],
                self._reward(one, results, shares[one.key] + remembered[one.key], dropped),
            )
            for one in asked
        }

    def groups(self, asked: Sequence[Asked], rewards: Mapping[str, RewardBreakdown]) -> list[Group]:
        """The completions of each image with their rewards, by `rewards`; they are remembered."""
        grouped: defaultdict[str, list[Asked]] = defaultdict(list)
        for one in asked:
            grouped[one.request.id].append(one)
        baseline = self.history.baseline()
        self.history.add([(one.question.text, rewards[one.key].total) for one in asked if one.question is not None])
        return [
            Group(
                members[0].request,
                tuple(one.completion for one in members),
                tuple(rewards[one.key].total for one in members),
                baseline=baseline if self._alike(members) else None,
            )
            for members in grouped.values()
        ]

    def _alike(self, members: Sequence[Asked]) -> bool:
        """Whether a group asks one thing, or nothing in the agreed form."""
        texts = [one.question.text for one in members if one.question is not None]
        if len(texts) < len(members):
            return not texts
        return len(set(texts)) == 1 or not clusters(texts, self.settings.diversity_threshold).any()

    def _reward(self, one: Asked, results: Mapping[str, VoteResult], share: float, dropped: Collection[str]) -> float:
        question = one.question
        result = results[question.id] if question is not None else None
        confidence = result.confidence if result else 0.0
        match self.settings.reward:
            case "random":
                return random_reward(self.seed, one.key)
            case "format":
                return float(question is not None)
            case "official":
                return official_questioner_reward(question is not None, confidence, share)
            case "chance_corrected":
                if question is None or result is None or result.answer is None:
                    return 0.0
                options = guesses(result.answer, question.text)
                return chance_corrected_reward(question.id not in dropped, confidence, options, share)
            case _:
                return questioner_reward(question is not None, confidence, share)

    def _remembered(self, asked: Sequence[Asked]) -> dict[str, float]:
        """What each question pays for having been asked in earlier steps."""
        questions = {one.key: one.question.text for one in asked if one.question is not None}
        shares = zip(questions, self.history.shares(list(questions.values())), strict=True)
        weight = self.settings.history_weight
        return {one.key: 0.0 for one in asked} | {key: weight * share for key, share in shares}

    def _shares(self, asked: Sequence[Asked]) -> dict[str, float]:
        """λ · |cluster| / G of every completion, clustered within its image or the whole batch."""
        scopes: defaultdict[str, list[Asked]] = defaultdict(list)
        for one in asked:
            scopes[one.request.id if self.settings.diversity_scope == "image" else ""].append(one)
        shares: dict[str, float] = {}
        for members in scopes.values():
            texts = [one.question.text if one.question is not None else one.completion.text for one in members]
            values = diversity(texts, self.settings.diversity_weight, self.settings.diversity_threshold)
            if self.settings.reward == "chance_corrected":
                # Of fewer than four words even the very same text has a BLEU below 1.
                same = Counter(texts)
                least = self.settings.diversity_weight / len(texts)
                values = [max(value, least * same[text]) for value, text in zip(values, texts, strict=True)]
            shares |= {one.key: value for one, value in zip(members, values, strict=True)}
        return shares


def _read(request: Request, completion: Completion) -> Asked:
    parsed = parse_question(completion.text) if completion.finished else None
    if parsed is None:
        return Asked(request, completion, None)
    question = Question(f"{request.id}#{completion.index}", request.image, parsed[0], parsed[1])
    return Asked(request, completion, question)
