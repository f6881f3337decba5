"""Which silver questions a step of the Reasoner draws."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np

from visplay.answers import match
from visplay.config import ReasonerSettings
from visplay.data.random_streams import random_stream
from visplay.types import SilverItem, StepId

FLOOR = 0.02  # weight of a question that the votes settle; one that they leave open has 0.25


def draw_batch(
    items: Sequence[SilverItem],
    size: int,
    at: StepId,
    seed: int,
    settings: ReasonerSettings,
    drawn: Collection[str] = (),
) -> list[SilverItem]:
    """The silver items of a step, at most `size` and none twice; they depend on the arguments alone.

    Without curriculum and quota they are those of `silver_batch`.

    Args:
        drawn: ids of questions that the step drew before; others are preferred while there are any.
    """
    if settings.curriculum == settings.quota == "none":
        return silver_batch(items, size, at, seed)
    items = [item for item in items if item.question.id not in drawn] or items
    weights = np.array([uncertainty(item) if settings.curriculum == "uncertain" else 1.0 for item in items])
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
    """Factors of the weights, so that kinds side by side have the same weight in all.

    Without the last kind, a curriculum draws rather "no" than "yes" of a family in which the votes never say "yes", and
    the Reasoner learns to deny.
    """
    found = [kinds(item) for item in items]
    totals: Counter[tuple[str, ...]] = Counter()
    beside: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for path, weight in zip(found, weights, strict=True):
        totals[path] += weight
        for depth, kind in enumerate(path):
            beside[path[:depth]].add(kind)
    return [1 / totals[path] / math.prod(len(beside[path[:depth]]) for depth in range(len(path))) for path in found]


def silver_batch(items: Sequence[SilverItem], size: int, at: StepId, seed: int) -> list[SilverItem]:
    """The silver items of a step: shuffled laps over the set, cut so that no step holds one twice."""
    size = min(size, len(items))
    lap, part = divmod(at.step, len(items) // size)
    order = random_stream(seed, f"{at.iteration}/{at.phase}/lap {lap}").permutation(len(items))
    return [items[i] for i in order[part * size : (part + 1) * size]]


def uncertainty(item: SilverItem) -> float:
    """p (1 − p), at least `FLOOR`, for the share p of the votes that agree with the silver answer; without votes 0.25.

    It is the variance of a 0/1 reward, of which a group of equal rewards has none. VQS (arXiv 2609.33855) keeps the
    questions with 0 < p < 1 of 8 votes; a floor keeps the others too, because the Reasoner changes after the votes.
    """
    if not item.votes:
        return 0.25
    share = _agreement(tuple(vote.answer for vote in item.votes), item.answer)
    return max(FLOOR, share * (1 - share))


@lru_cache(maxsize=2**15)
def _agreement(answers: tuple[str | None, ...], silver: str) -> float:
    return sum(answer is not None and match(answer, silver) for answer in answers) / len(answers)
