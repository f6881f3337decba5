"""Which augmentations of an image are worth asking about, judged by the votes alone, without labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

from visplay.answers import match, vote
from visplay.types import Augmentation, Vote

Criterion = Literal["agreement", "logprob"]


def augmentation_scores(
    votes: Mapping[str, Sequence[Vote]], augmentations: Sequence[Augmentation], by: Criterion
) -> dict[Augmentation, float]:
    """The score of each augmentation that has votes: its mean over questions; higher is better, 0 is as the others.

    Augmentations are compared on the same questions, because some are used for questions of a kind alone: on each
    question the mean over its augmentations is subtracted.

    Args:
        votes: the votes on each question, by its id, over several augmentations.
        by: "agreement": the share of an augmentation's votes that give the majority of the other augmentations;
            "logprob": the mean log-probability per token of its votes.
    """
    found: defaultdict[Augmentation, list[float]] = defaultdict(list)
    for given in votes.values():
        measured = {augmentation: _measure(given, augmentation, by) for augmentation in augmentations}
        known = {augmentation: value for augmentation, value in measured.items() if value is not None}
        for augmentation, value in known.items():
            found[augmentation].append(value - fmean(known.values()))
    return {augmentation: fmean(scores) for augmentation, scores in found.items()}


def _measure(given: Sequence[Vote], augmentation: Augmentation, by: Criterion) -> float | None:
    """Agreement or log-probability of an augmentation's votes on a question; None if nothing can be measured."""
    own = [one for one in given if one.augmentation == augmentation]
    if not own or by == "logprob":
        return fmean(one.logprob for one in own) if own else None
    others, _, _ = vote([one.answer for one in given if one.augmentation != augmentation])
    return None if others is None else fmean(match(one.answer or "", others) for one in own)


def best_augmentations(
    scores: Mapping[Augmentation, float], augmentations: Sequence[Augmentation], keep: int
) -> tuple[Augmentation, ...]:
    """The `keep` augmentations of the highest scores, in their order; of equal ones the first. One without is last."""
    ranked = sorted(augmentations, key=lambda augmentation: -scores.get(augmentation, float("-inf")))
    return tuple(augmentation for augmentation in augmentations if augmentation in ranked[:keep])
