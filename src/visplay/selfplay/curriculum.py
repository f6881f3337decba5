"""Which silver questions a step of the Reasoner draws."""

from __future__ import annotations

from collections import Counter
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
        totals: Counter[str] = Counter()
        for item, weight in zip(items, weights, strict=True):
            totals[skill(item)] += weight
        weights /= [totals[skill(item)] for item in items]
    stream = random_stream(seed, f"{at.iteration}/{at.phase}/drawn {at.step}")
    chosen = stream.choice(len(items), min(size, len(items)), replace=False, p=weights / weights.sum())
    return [items[place] for place in chosen]


def skill(item: SilverItem) -> str:
    """What a quota counts: the skill that the source names, else source and type of the question."""
    return item.question.skill or f"{item.question.source}, {item.question.type}"


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
