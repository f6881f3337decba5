"""Labelers, from questions to silver answers, by the names that `silver.labeler` takes."""

from __future__ import annotations

from collections.abc import Callable

from visplay.config import SilverSettings
from visplay.roles.reasoner import Reasoner
from visplay.silver.labelers.facts import Facts
from visplay.silver.labelers.labeler import Labeler
from visplay.silver.labelers.majority import Majority
from visplay.silver.labelers.weighted import Weighted

__all__ = ["Labeler", "make_labeler"]

_MAKE: dict[str, Callable[[SilverSettings, Reasoner], Labeler]] = {
    "majority": lambda _, reasoner: Majority(reasoner),
    "views": lambda settings, reasoner: Majority(reasoner, settings.views),
    "weighted": lambda settings, reasoner: Weighted(reasoner, settings.views),
    "facts": lambda settings, reasoner: Facts(reasoner, settings.views, settings.fact_lists),
}


def make_labeler(settings: SilverSettings, reasoner: Reasoner, name: str | None = None) -> Labeler:
    """The labeler of a preset, or the one of another name with the preset's views."""
    return _MAKE[name or settings.labeler](settings, reasoner)
