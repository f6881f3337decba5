"""The Questioner Q(x | I): writes a question about an image; rewarded for hard, diverse and valid questions."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from visplay.config import QuestionerSettings
from visplay.interfaces.engine import Engine
from visplay.interfaces.reward import QuestionOutcome
from visplay.rl.rewards.diversity import clusters, diversity
from visplay.roles.prompts import Prompts
from visplay.roles.question_history import QuestionHistory
from visplay.types import Completion, Group, ImageRef, Question, QuestionType, Request, VoteResult

_FORM = re.compile(r"\s*<type>([^<>]{1,40})</type>\s*<question>([^<>]{1,2000})</question>\s*")
_ASKED_TWICE = re.compile(r"\?[?!.\s]+$")


@dataclass(frozen=True, slots=True)
class Asked:
    """A completion of the Questioner; `question` is None if it does not have the required format."""

    request: Request
    completion: Completion
    question: Question | None

    @property
    def key(self) -> str:
        """Id of the completion, unique in a run; also the id of its question."""
        return f"{self.request.id}#{self.completion.index}"


@dataclass(frozen=True, slots=True)
class RewardBreakdown:
    """A completion's reward and its parts.

    Attributes:
        base: the reward without penalties.
        diversity_penalty: λ · |cluster| / G, the penalty for similar questions in the group or batch.
        history_penalty: the penalty for similar questions in earlier steps.
        total: the reward; `base` minus both penalties, for most reward components at least 0.
    """

    base: float
    diversity_penalty: float
    history_penalty: float
    total: float


def parse_question(text: str) -> tuple[QuestionType, str] | None:
    """Type and question of `<type>…</type><question>…</question>`; None for any other format.

    Repeated question marks at the end become one, so that "???" does not count as diversity.
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
    """Generates questions by an engine, and computes their rewards from the Reasoner's votes."""

    def __init__(self, engine: Engine, prompts: Prompts, settings: QuestionerSettings, seed: int) -> None:
        self.engine = engine
        self.prompts = prompts
        self.settings = settings
        self.seed = seed
        self.history = QuestionHistory(settings.history_size, settings.diversity.threshold)

    def ask(self, images: Sequence[ImageRef], n: int, tag: str, trained: bool = False) -> list[Asked]:
        """`n` completions per image.

        Args:
            tag: first part of the request ids; unique, because the ids name the random streams.
            trained: whether the completions are for training; else the setting `synthesis_sampling` applies.
        """
        requests = [Request(f"{tag}/{p.id}", p, self.prompts.ask(), n) for p in images]
        sampling = self.settings.sampling if trained else self.settings.untrained_sampling
        completions = self.engine.generate(requests, sampling)
        return [_read(request, c) for request in requests for c in completions[request.id]]

    def rewards(
        self, asked: Sequence[Asked], results: Mapping[str, VoteResult], rejected: Collection[str] = ()
    ) -> dict[str, RewardBreakdown]:
        """The reward of each completion, by `Asked.key` (arXiv 2511.15661, section 3).

        Args:
            results: the Reasoner's vote on every question, by question id.
            rejected: ids of the questions that a gate rejects.
        """
        diversity_penalties = self._diversity_penalties(asked)
        history_penalties = self._history_penalties(asked)
        found = {}
        for entry in asked:
            similar, earlier = diversity_penalties[entry.key], history_penalties[entry.key]
            reward = self.settings.reward.reward
            base = reward(self._outcome(entry, results, rejected, 0.0))
            total = reward(self._outcome(entry, results, rejected, similar + earlier))
            found[entry.key] = RewardBreakdown(base, similar, earlier, total)
        return found

    def groups(self, asked: Sequence[Asked], rewards: Mapping[str, RewardBreakdown]) -> list[Group]:
        """A group per image, with the completions and their rewards; adds the questions to the history."""
        grouped: defaultdict[str, list[Asked]] = defaultdict(list)
        for entry in asked:
            grouped[entry.request.id].append(entry)
        baseline = self.history.baseline()
        self.history.add(
            [(entry.question.text, rewards[entry.key].total) for entry in asked if entry.question is not None]
        )
        return [
            Group(
                members[0].request,
                tuple(entry.completion for entry in members),
                tuple(rewards[entry.key].total for entry in members),
                baseline=baseline if self._alike(members) else None,
            )
            for members in grouped.values()
        ]

    def _alike(self, members: Sequence[Asked]) -> bool:
        """Whether all completions are the same question, or none is a question."""
        texts = [entry.question.text for entry in members if entry.question is not None]
        if len(texts) < len(members):
            return not texts
        return len(set(texts)) == 1 or not clusters(texts, self.settings.diversity.threshold).any()

    def _outcome(
        self, entry: Asked, results: Mapping[str, VoteResult], rejected: Collection[str], penalty: float
    ) -> QuestionOutcome:
        question = entry.question
        return QuestionOutcome(
            f"{self.seed}/{entry.key}",
            entry.completion,
            question,
            results[question.id] if question is not None else None,
            question is not None and question.id in rejected,
            penalty,
        )

    def _history_penalties(self, asked: Sequence[Asked]) -> dict[str, float]:
        """The history penalty of every completion, by key; 0 for a completion without a question."""
        questions = {entry.key: entry.question.text for entry in asked if entry.question is not None}
        shares = zip(questions, self.history.shares(list(questions.values())), strict=True)
        weight = self.settings.history_weight
        return {entry.key: 0.0 for entry in asked} | {key: weight * share for key, share in shares}

    def _diversity_penalties(self, asked: Sequence[Asked]) -> dict[str, float]:
        """The diversity penalty of every completion, by key, clustered within its image or the whole batch."""
        scopes: defaultdict[str, list[Asked]] = defaultdict(list)
        for entry in asked:
            scopes[entry.request.id if self.settings.diversity.scope == "image" else ""].append(entry)
        shares: dict[str, float] = {}
        for members in scopes.values():
            texts = [entry.question.text if entry.question is not None else entry.completion.text for entry in members]
            values = diversity(texts, self.settings.diversity.weight, self.settings.diversity.threshold)
            if self.settings.diversity.count_repeats:
                # BLEU of two equal texts with fewer than four words is below 1.
                same = Counter(texts)
                least = self.settings.diversity.weight / len(texts)
                values = [max(value, least * same[text]) for value, text in zip(values, texts, strict=True)]
            shares |= {entry.key: value for entry, value in zip(members, values, strict=True)}
        return shares


def _read(request: Request, completion: Completion) -> Asked:
    parsed = parse_question(completion.text) if completion.finished else None
    if parsed is None:
        return Asked(request, completion, None)
    question = Question(f"{request.id}#{completion.index}", request.image, parsed[0], parsed[1])
    return Asked(request, completion, question)
