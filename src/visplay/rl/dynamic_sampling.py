"""Dynamic sampling (DAPO, arXiv 2503.14476, section 3.2): replace groups whose advantages are all zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from visplay.interfaces.advantages import AdvantageEstimator, GroupRewards
from visplay.types import Group

G = TypeVar("G")


def replace_uninformative(
    groups: Sequence[G], sample_more: Callable[[int, int], Sequence[G]], informative: Callable[[G], bool], rounds: int
) -> list[G]:
    """The informative groups, filled up from extra rounds to as many as `groups`, or fewer if the rounds end first.

    It is `groups` itself without extra rounds, and if no group of any round is informative.

    Args:
        sample_more: gives further groups for an extra round, numbered from 1, and the count of groups still missing.
        informative: whether a group has an advantage other than 0, see `has_advantage`.
    """
    found = [group for group in groups if not rounds or informative(group)]
    for number in range(1, rounds + 1):
        missing = len(groups) - len(found)
        if missing:
            found += [group for group in sample_more(number, missing) if informative(group)][:missing]
    return found or list(groups)


def has_advantage(group: Group, estimator: AdvantageEstimator) -> bool:
    """Whether any completion of the group has an advantage other than 0."""
    (advantages,) = estimator.estimate([GroupRewards(group.rewards, group.baseline)])
    return group.weight != 0 and any(advantages)
