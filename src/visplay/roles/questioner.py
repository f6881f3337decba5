"""The Questioner Q(x | I): writes a question about an image; rewarded for hard, diverse and valid questions."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, pstdev
from typing import Any

from visplay.answers import reply
from visplay.config import QuestionerSettings
from visplay.data.random_streams import random_stream
from visplay.interfaces.engine import Engine
from visplay.interfaces.reward import QuestionOutcome
from visplay.rl.rewards.diversity import bleu_matrix, clusters, diversity
from visplay.roles.form import FormCheck
from visplay.roles.prompts import Prompts
from visplay.types import Candidate, Completion, Group, ImageRef, Question, QuestionType, Request

_TAG = re.compile(r"<\s*(/?)\s*(type|question)\s*>", re.IGNORECASE)
_PAIR = ("type", "/type", "question", "/question")
_LONGEST = 2000  # characters of a question
_NAMES: dict[QuestionType, str] = {
    "multiple choice": "multichoice, choice, mcq, yes no, true false, boolean, binary, multiple choice yes no",
    "numerical": "number, numeric, count, counting, integer, arithmetic, calculation, math",
    "regression": "estimation, estimate, measurement",
    "open": "open ended, openended, free form, free text, short answer, short phrase, descriptive",
}
_TYPES = {name: kind for kind, names in _NAMES.items() for name in (kind, *names.split(", "))}
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

    @property
    def text(self) -> str:
        """The question, or the whole completion if there is none."""
        return self.question.text if self.question else self.completion.text


@dataclass(frozen=True, slots=True)
class RewardBreakdown:
    """A completion's reward: `base_reward` minus both penalties, for most reward components at least 0."""

    base_reward: float
    diversity_penalty: float  # λ · |cluster| / G, for similar questions in the group or batch
    history_penalty: float  # for similar questions in earlier steps
    reward: float


def parse_question(text: str) -> tuple[QuestionType, str] | None:
    """Type and question of the last `<type>…</type><question>…</question>` after the thought; None for another form.

    Words around it, such as a preface or an `<answer>`, do not count; nor does a pair whose type is unknown, or which
    comes without a question. Two questions are none, so that a completion cannot ask twice for one reward. Repeated
    question marks at the end become one, so that "???" does not count as diversity.
    """
    said = reply(text) or ""
    tags = [*_TAG.finditer(said)]
    names = [(tag[1] + tag[2]).lower() for tag in tags]
    found = [
        (kind, words, place)
        for place in range(len(tags) - 3)
        if tuple(names[place : place + 4]) == _PAIR
        and (kind := _type(said[tags[place].end() : tags[place + 1].start()]))
        and (words := _question(said[tags[place + 2].end() : tags[place + 3].start()]))
    ]
    if len(found) != 1:
        return None
    ((kind, words, place),) = found
    return None if "question" in names[place + 4 :] else (kind, words)


def _type(text: str) -> QuestionType | None:
    words = " ".join(re.findall("[a-z]+", text[:100].lower()))
    return _TYPES.get(re.sub("^the type |^type |^an? | questions?$| type$| problem$", "", words))


def _question(text: str) -> str:
    """One line; empty for a text that is too long to be a question."""
    return _ASKED_TWICE.sub("?", " ".join(text.split())) if len(text) <= _LONGEST else ""


@dataclass
class QuestionHistory:
    """The last `size` questions with their rewards, to keep the Questioner from repeating a single question.

    If all completions of a group are the same question, their rewards are equal and their advantages 0, so the group
    does not discourage the repetition. The history does. A question that was asked in earlier steps has a lower reward,
    and a group of equal rewards is compared with the mean reward of earlier questions.
    """

    size: int
    threshold: float  # distance 1 − BLEU below which two texts count as the same question
    texts: list[str] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)

    def shares(self, texts: Sequence[str]) -> list[float]:
        """For each text, the share of the questions in the history that are the same, in [0, 1]."""
        if not self.texts or not texts:
            return [0.0] * len(texts)
        bleu_NN = bleu_matrix([*texts, *self.texts])
        alike_GM = bleu_NN[: len(texts), len(texts) :] > 1 - self.threshold
        return [
            sum(bool(near) or text == old for near, old in zip(alike_M, self.texts, strict=True)) / len(self.texts)
            for text, alike_M in zip(texts, alike_GM, strict=True)
        ]

    def baseline(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the rewards in the history; None if all are equal."""
        return (fmean(self.rewards), pstdev(self.rewards)) if len(set(self.rewards)) >= 2 else None

    def add(self, asked: Sequence[tuple[str, float]]) -> None:
        """Add questions with their rewards; the oldest are dropped."""
        kept = slice(-self.size, None) if self.size else slice(0)
        self.texts = [*self.texts, *(text for text, _ in asked)][kept]
        self.rewards = [*self.rewards, *(reward for _, reward in asked)][kept]

    def state(self) -> dict[str, Any]:
        """The history as JSON values, for `restore`."""
        return {"texts": self.texts, "rewards": self.rewards}

    def restore(self, state: dict[str, Any]) -> None:
        """Replace the history by a result of `state`."""
        self.texts, self.rewards = list(state["texts"]), list(state["rewards"])


@dataclass(eq=False)
class Questioner:
    """Generates questions by an engine, and computes their rewards from the Reasoner's votes."""

    engine: Engine
    prompts: Prompts
    settings: QuestionerSettings
    seed: int
    form_check: FormCheck | None = None

    def __post_init__(self) -> None:
        self.history = QuestionHistory(self.settings.history_size, self.settings.diversity.threshold)

    def ask(self, images: Sequence[ImageRef], n: int, tag: str, trained: bool = False) -> list[Asked]:
        """`n` completions per image; the setting `synthesis_sampling` applies unless they are `trained` on.

        With a bank, they are as many different questions of it, or all. `tag`, the first part of the request ids, must
        be unique, because the ids name the random streams.
        """
        requests = [Request(f"{tag}/{image.id}", image, self.prompts.questioner, n) for image in images]
        if self.settings.bank:
            return [one for request in requests for one in self._from_bank(request)]
        sampling = self.settings.sampling if trained else self.settings.untrained_sampling
        completions = self.engine.generate(requests, sampling)
        asked = []
        for request in requests:
            for completion in completions[request.id]:
                parsed = parse_question(completion.text) if completion.finished else None
                question = Question(f"{request.id}#{completion.index}", request.image, *parsed) if parsed else None
                asked.append(Asked(request, completion, question))
        if self.form_check:
            self.form_check.look([(one.completion, one.question is not None) for one in asked])
        return asked

    def _from_bank(self, request: Request) -> Iterator[Asked]:
        bank = self.settings.bank
        drawn = random_stream(self.seed, f"bank/{request.id}").permutation(len(bank))[: request.n]
        for index, text in enumerate(bank[place] for place in drawn):
            completion = Completion(request.id, index, (), (), text, finished=True)
            yield Asked(request, completion, Question(f"{request.id}#{index}", request.image, "open", text))

    def rewards(
        self, asked: Sequence[Asked], candidates: Mapping[str, Candidate], rejected: Collection[str] = ()
    ) -> dict[str, RewardBreakdown]:
        """The reward of each completion, by `Asked.key` (arXiv 2511.15661, section 3).

        `candidates` are the questions with the Reasoner's votes, by id; a gate rejects those with `rejected` ids.
        """
        reward = self.settings.reward.reward
        similar = self._diversity_penalties(asked)
        questions = [entry for entry in asked if entry.question is not None]
        shares = self.history.shares([entry.text for entry in questions])
        repeated = {entry.key: share for entry, share in zip(questions, shares, strict=True)}
        found = {}
        for entry in asked:
            earlier = self.settings.history_weight * repeated.get(entry.key, 0.0)
            candidate = candidates[entry.key] if entry.question else None
            outcome = QuestionOutcome(
                key=f"{self.seed}/{entry.key}",
                completion=entry.completion,
                question=entry.question,
                result=candidate.result if candidate else None,
                rejected=entry.question is not None and entry.key in rejected,
                penalty=similar[entry.key] + earlier,
                votes=candidate.votes if candidate else (),
                evidence=candidate.evidence if candidate else (),
            )
            base = reward(replace(outcome, penalty=0.0))
            found[entry.key] = RewardBreakdown(base, similar[entry.key], earlier, reward(outcome))
        return found

    def groups(self, asked: Sequence[Asked], rewards: Mapping[str, RewardBreakdown]) -> list[Group]:
        """A group per image, with the completions and their rewards; adds the questions to the history."""
        grouped: defaultdict[str, list[Asked]] = defaultdict(list)
        for entry in asked:
            grouped[entry.request.id].append(entry)
        baseline = self.history.baseline()
        self.history.add([(entry.text, rewards[entry.key].reward) for entry in asked if entry.question is not None])
        return [
            Group(
                members[0].request,
                tuple(entry.completion for entry in members),
                tuple(rewards[entry.key].reward for entry in members),
                baseline=baseline if self._alike(members) else None,
            )
            for members in grouped.values()
        ]

    def _alike(self, members: Sequence[Asked]) -> bool:
        """Whether all completions are the same question, or none is a question."""
        texts = [entry.text for entry in members if entry.question is not None]
        if len(texts) < len(members):
            return not texts
        return len(set(texts)) == 1 or not clusters(texts, self.settings.diversity.threshold).any()

    def _diversity_penalties(self, asked: Sequence[Asked]) -> dict[str, float]:
        """The diversity penalty of every completion, by key, clustered within its image or the whole batch."""
        settings = self.settings.diversity
        scopes: defaultdict[str, list[Asked]] = defaultdict(list)
        for entry in asked:
            scopes[entry.request.id if settings.scope == "image" else ""].append(entry)
        penalties: dict[str, float] = {}
        for members in scopes.values():
            # An empty text is like no other, not even like another empty one.
            dropped = settings.invalid_as == "empty"
            texts = ["" if dropped and entry.question is None else entry.text for entry in members]
            # BLEU of two equal texts with fewer than four words is below 1.
            repeats = Counter(filter(None, texts)) if settings.count_repeats else Counter[str]()
            values = diversity(texts, settings.weight, settings.threshold)
            for entry, text, value in zip(members, texts, values, strict=True):
                penalties[entry.key] = max(value, settings.weight / len(texts) * repeats[text])
        return penalties
