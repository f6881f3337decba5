"""Labelers, from questions to silver answers, by the names that `silver.labeler` takes."""

from __future__ import annotations

from collections.abc import Callable

from visplay.config import SilverSettings
from visplay.labeling.labelers.facts import Facts
from visplay.labeling.labelers.labeler import Labeler
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.labelers.weighted import Weighted
from visplay.roles.reasoner import Reasoner

__all__ = ["Labeler", "make_labeler"]

_MAKE: dict[str, Callable[[SilverSettings, Reasoner], Labeler]] = {
    "majority": lambda _, reasoner: Majority(reasoner),
    "augmentations": lambda settings, reasoner: Majority(reasoner, settings.augmentations),
    "weighted": lambda settings, reasoner: Weighted(reasoner, settings.augmentations),
    "facts": lambda settings, reasoner: Facts(reasoner, settings.augmentations, settings.fact_lists),
}


def make_labeler(settings: SilverSettings, reasoner: Reasoner, name: str | None = None) -> Labeler:
    """The labeler of a preset, or the one of another name with the preset's augmentations."""
    return _MAKE[name or settings.labeler](settings, reasoner)
