"""Baselines without training: the base answers an item several times, and its answers vote.

A gain by self-evolution is a gain only beyond what the base reaches in this way on the same items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from visplay.answers import is_refusal
from visplay.config import Settings
from visplay.data.augmentations import augmented
from visplay.evaluation.grading import Mark, Verdict, commonest
from visplay.evaluation.open_suites import draw_items
from visplay.evaluation.results import task_of
from visplay.roles.prompts import lettered
from visplay.roles.reasoner import spread_votes
from visplay.types import Augmentation, ImageRef, Item, Request, Suite

BASELINES = ("votes", "view_votes", "view_votes_answered")
"""The decodings of a measurement that are baselines; of equally good ones the first counts as the best."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """How often, on which augmentations and on how many items of a suite the baselines are measured.

    Attributes:
        votes: votes per item, for each of `votes` and `view_votes`.
        augmentations: those of the labeler, over which `view_votes` are spread.
        items: the most items per suite, drawn by `seed` as `draw_items` does; the styles of a lab task share them; None
            for all.
    """

    votes: int
    augmentations: tuple[Augmentation, ...] = ("plain",)
    items: int | None = None
    seed: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The baselines of a run's settings; without `evaluation.baseline_votes` as many votes as the labeler has."""
        chosen, silver = settings.evaluation, settings.silver
        augmentations: tuple[Augmentation, ...] = getattr(silver.labeler, "augmentations", ("plain",))
        return cls(chosen.baseline_votes or silver.votes, augmentations, chosen.baseline_items, settings.seed)

    def draw(self, suites: Sequence[Suite]) -> list[Suite]:
        """The items of each suite that the baselines are measured on."""
        if self.items is None:
            return list(suites)
        names = [task_of(suite.name) or suite.name for suite in suites]
        shares = {name: -(-self.items // count) for name, count in Counter(names).items()}
        return [draw_items(suite, shares[name], self.seed) for suite, name in zip(suites, names, strict=True)]

    def decodings(
        self, items: Iterable[Item], wording: Callable[[str, tuple[str, ...]], str]
    ) -> list[tuple[str, dict[str, tuple[Request, ...]], Verdict]]:
        """The name of each baseline, its requests by item id, and how their answers are counted.

        Baselines with refusals counted and not counted share their requests.
        """
        items = list(items)
        plain = _requests("votes", items, wording, self.votes, ("plain",))
        views = _requests("view_votes", items, wording, self.votes, self.augmentations)
        asked = (plain, commonest_answered), (views, commonest), (views, commonest_answered)
        return [(name, *each) for name, each in zip(BASELINES, asked, strict=True)]


def commonest_answered(answers: Sequence[Mark]) -> Mark:
    """As `commonest`, but a refusal has no vote as long as there is any other answer."""
    mark, loosely = commonest(_voting(answers, "given")), commonest(_voting(answers, "read"))
    return replace(mark, read=loosely.read, loose=loosely.loose, draws=tuple(each.text for each in answers))


def _voting(answers: Sequence[Mark], reader: str) -> Sequence[Mark]:
    said = [(mark, getattr(mark, reader)) for mark in answers]
    return [mark for mark, answer in said if answer is not None and not is_refusal(answer)] or answers


def _requests(
    baseline: str,
    items: Sequence[Item],
    wording: Callable[[str, tuple[str, ...]], str],
    votes: int,
    augmentations: Sequence[Augmentation],
) -> dict[str, tuple[Request, ...]]:
    """The requests of each item id, one for each augmentation; the same question on the same image is asked once."""
    asked: dict[str, tuple[Request, ...]] = {}
    distinct: dict[tuple[ImageRef, str], tuple[Request, ...]] = {}
    for item in items:
        prompt = wording(item.question, item.choices)
        shares = spread_votes(votes, augmentations, lettered(item.question, item.choices))
        name = f"evaluation/baseline/{baseline}"
        requests = tuple(
            Request(f"{name}/{each}/{item.id}", augmented(item.image, each), prompt, share) for each, share in shares
        )
        asked[item.id] = distinct.setdefault((item.image, prompt), requests)
    return asked
