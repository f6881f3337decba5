"""Which silver questions a step of the Reasoner draws."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from statistics import pvariance
from types import MappingProxyType
from typing import Any

import numpy as np

from visplay.answers import match
from visplay.config import ReasonerSettings
from visplay.data.random_streams import random_stream
from visplay.types import Group, SilverItem, StepId

FLOOR = 0.02  # weight of a question whose answers are all right or all wrong; one of which half are right has 0.25


class NewestRewards:
    """The variance of the newest rewards of each question that the Reasoner has answered in this iteration.

    The Reasoner changes while it learns, so its own newest answers tell better than the votes which questions still
    have a gradient. It is a part of a run's state.
    """

    def __init__(self) -> None:
        self._iteration = 0
        self._variance: dict[str, float] = {}

    def note(self, iteration: int, answered: Iterable[tuple[Group, SilverItem]]) -> None:
        """Remember the rewards of answered questions, and forget those of other iterations."""
        if iteration != self._iteration:
            self._iteration, self._variance = iteration, {}
        self._variance |= {item.question.id: pvariance(group.rewards) for group, item in answered}

    def of(self, iteration: int) -> Mapping[str, float]:
        """The variances by question id; empty before the first answer of the iteration."""
        return self._variance if iteration == self._iteration else {}

    def state(self) -> dict[str, Any]:
        """JSON values that `restore` takes."""
        return {"iteration": self._iteration, "variance": dict(self._variance)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` gave."""
        self._iteration, self._variance = state["iteration"], dict(state["variance"])


def draw_batch(
    items: Sequence[SilverItem],
    size: int,
    at: StepId,
    seed: int,
    settings: ReasonerSettings,
    drawn: Collection[str] = (),
    variance: Mapping[str, float] = MappingProxyType({}),
) -> list[SilverItem]:
    """The silver items of a step, at most `size` and none twice; they depend on the arguments alone.

    Without curriculum and quota they are those of `silver_batch`.

    Args:
        drawn: ids of questions that the step drew before; others are preferred while there are any.
        variance: that of the newest rewards, by question id; it takes the place of the votes.
    """
    if settings.curriculum == settings.quota == "none":
        return silver_batch(items, size, at, seed)
    items = [item for item in items if item.question.id not in drawn] or items
    uncertain = settings.curriculum == "uncertain"
    weights = np.array([uncertainty(item, variance) if uncertain else 1.0 for item in items])
    if settings.quota == "skill":
        weights *= _quotas(items, weights)
    stream = random_stream(seed, f"{at.iteration}/{at.phase}/drawn {at.step}")
    chosen = stream.choice(len(items), min(size, len(items)), replace=False, p=weights / weights.sum())
    return [items[place] for place in chosen]


def kinds(item: SilverItem) -> tuple[str, ...]:
    """What a quota counts, from the widest kind to the narrowest: skill, family, and "yes" or "no".

    The skill is what the source names, such as "comparison/bigger". The questions of a source that names none, such as
    the Questioner, are one skill, and their types its families.
    """
    skill, *family = (item.question.skill or f"{item.question.source}/{item.question.type}").split("/", 1)
    return skill, *family, item.answer if item.answer in ("yes", "no") else ""


def _quotas(items: Sequence[SilverItem], weights: Sequence[float] | np.ndarray) -> list[float]:
    """Factors of the weights, so that a family is drawn by the mean of its weights and not by its size.

    Skills of the same mean are drawn equally often, and so are families of a skill. Within a family, "yes" and "no"
    have the same weight in all. Without that, a curriculum draws rather "no" of a family in which the votes never say
    "yes", and the Reasoner learns to deny.
    """
    found = [kinds(item) for item in items]
    totals: Counter[tuple[str, ...]] = Counter()
    sizes: Counter[tuple[str, ...]] = Counter()
    beside: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for path, weight in zip(found, weights, strict=True):
        family = path[:-1]
        sizes[family] += 1
        totals[family] += weight
        totals[path] += weight
        for depth, kind in enumerate(path):
            beside[path[:depth]].add(kind)

    def factor(path: tuple[str, ...]) -> float:
        family = path[:-1]
        level = math.prod(len(beside[path[:depth]]) for depth in range(len(path)))
        return totals[family] / sizes[family] / level / totals[path]

    return [factor(path) for path in found]


def silver_batch(items: Sequence[SilverItem], size: int, at: StepId, seed: int) -> list[SilverItem]:
    """The silver items of a step: shuffled laps over the set, cut so that no step holds one twice."""
    size = min(size, len(items))
    lap, part = divmod(at.step, len(items) // size)
    order = random_stream(seed, f"{at.iteration}/{at.phase}/lap {lap}").permutation(len(items))
    return [items[i] for i in order[part * size : (part + 1) * size]]


def uncertainty(item: SilverItem, variance: Mapping[str, float] = MappingProxyType({})) -> float:
    """The variance of a question's reward, at least `FLOOR`: of its newest rewards, or as the votes foretell it.

    A share p of the votes that agree with the silver answer foretells p (1 − p), the variance of a reward of 0 or 1; no
    votes foretell 0.25. A group of equal rewards has no gradient. VQS (arXiv 2609.33855) keeps the questions with
    0 < p < 1 of 8 votes; a floor keeps the others too, because the Reasoner changes.
    """
    if item.question.id in variance:
        return max(FLOOR, variance[item.question.id])
    if not item.votes:
        return 0.25
    share = _agreement(tuple(vote.answer for vote in item.votes), item.answer)
    return max(FLOOR, share * (1 - share))


@lru_cache(maxsize=2**15)
def _agreement(answers: tuple[str | None, ...], silver: str) -> float:
    return sum(answer is not None and match(answer, silver) for answer in answers) / len(answers)
