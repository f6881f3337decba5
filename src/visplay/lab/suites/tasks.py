"""Labelled suites of the lab, generated from a seed: one suite `lab/TASK/STYLE` for each task and style.

The tasks are those of pretraining (color, shape, existence, counting), tasks with two things (comparison, relation),
pairs of colour and shape that pretraining never drew (composition), absent things (hallucination), and a single thing
of any pair (single), as in easy-vqa. The sealed half of a suite has as many items, drawn from another random stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from visplay.data.random_streams import random_stream
from visplay.errors import did_you_mean
from visplay.interfaces.suite import SuiteSource
from visplay.lab.draw import STYLES, draw, png
from visplay.lab.language import Kind, Query, write
from visplay.lab.oracle import answer
from visplay.lab.questions import (
    RELATIONS,
    SIZES,
    Draw,
    absent_noun,
    random_large_count,
    random_query,
    random_two_hop,
)
from visplay.lab.record import same_record
from visplay.lab.scene import ALL_PAIRS, MOST_THINGS, SEEN_PAIRS, UNSEEN_PAIRS, Pair, Scene, random_scene
from visplay.types import ImageRef, Item, Suite

_ITEMS = 100  # of a suite
_QUESTIONS = 4  # about an image, at most


@dataclass(frozen=True, slots=True)
class Task:
    """How a query is drawn, numbers of things per image, and the pairs of colour and shape."""

    draw: Draw
    counts: tuple[int, ...] = tuple(range(1, MOST_THINGS + 1))
    pairs: Sequence[Pair] = SEEN_PAIRS


def _one_of(*kinds: Kind) -> Draw:
    return lambda scene, rng: random_query(kinds[rng.integers(len(kinds))], scene, rng)


def _small_count(scene: Scene, rng: np.random.Generator) -> Query | None:
    query = random_query("count", scene, rng)
    return query if query and answer(query, scene) in ("1", "2", "3") else None


def _absent(scene: Scene, rng: np.random.Generator) -> Query:
    kinds: tuple[Kind, ...] = ("exists", "absent", "count")
    return Query(kinds[rng.integers(len(kinds))], absent_noun(scene, rng))


TASKS: dict[str, Task] = {
    "color": Task(_one_of("color")),
    "shape": Task(_one_of("shape")),
    "existence": Task(_one_of("exists", "absent")),
    "counting": Task(_small_count),
    "counting-4-6": Task(random_large_count, counts=(4, 5, 6)),
    "comparison": Task(_one_of("more", "fewer", *SIZES), counts=(2, 3, 4, 5, 6)),
    "relation": Task(_one_of(*RELATIONS), counts=(2, 3, 4, 5, 6)),
    "two-hop": Task(random_two_hop, counts=(3, 4, 5, 6)),
    "composition": Task(_one_of("color", "shape", "exists"), counts=(1, 2), pairs=sorted(UNSEEN_PAIRS)),
    "hallucination": Task(_absent),
    "records": Task(_one_of("record")),
    "single": Task(_one_of("color", "shape"), counts=(1,), pairs=ALL_PAIRS),
}


class LabSuites(SuiteSource, type="lab"):
    """Suites of the lab, `lab/TASK/STYLE`, generated from the seed."""

    has_sealed_half: ClassVar[bool] = True

    part: str = Field("", description="TASK or TASK/STYLE; empty for every task in every style")

    @field_validator("part")
    @classmethod
    def _is_known(cls, part: str) -> str:
        if part.count("/") > 1:
            raise ValueError(f"no suite 'lab/{part}'; choose lab, lab/TASK or lab/TASK/STYLE")
        task, _, style = part.partition("/")
        if task not in ("", *TASKS) or style not in ("", *STYLES):
            known = [f"lab/{one}" for one in (*TASKS, *(f"{task}/{style}" for task in TASKS for style in STYLES))]
            meant = did_you_mean(f"lab/{part}", known)
            raise ValueError(
                f"no suite 'lab/{part}'{meant}; tasks are {', '.join(TASKS)}, styles are {', '.join(STYLES)}"
            )
        return part

    def open(self, seed: int, items: int | None, sealed: bool = False) -> tuple[Suite, ...]:
        task, _, style = self.part.partition("/")
        tasks, styles = [task] if task else TASKS, [style] if style else STYLES
        return tuple(lab_suites(seed, items or _ITEMS, tasks, styles, sealed=sealed))

    def __str__(self) -> str:
        return f"lab/{self.part}" if self.part else "lab"


def lab_suites(
    seed: int,
    items_per_suite: int,
    tasks: Iterable[str] = TASKS,
    styles: Iterable[str] = STYLES,
    *,
    sealed: bool = False,
) -> list[Suite]:
    """One suite per task and style; the same seed gives the same drawings, questions and ids."""
    return [_suite(task, style, seed, items_per_suite, sealed) for task in tasks for style in styles]


def _suite(task_name: str, style_name: str, seed: int, size: int, sealed: bool) -> Suite:
    name, task, style = f"lab/{task_name}/{style_name}", TASKS[task_name], STYLES[style_name]
    rng = np.random.default_rng([seed, 2, list(TASKS).index(task_name), list(STYLES).index(style_name)])
    drawn = f"{name}/{seed}"
    if sealed:
        drawn = f"{name}/sealed-{seed}"
        rng = random_stream(seed, f"sealed/{name}")
    items: list[Item] = []
    drawing = 0
    while len(items) < size:
        scene = random_scene(rng, int(rng.choice(task.counts)), task.pairs, style.sizes, style.turned)
        image = ImageRef(f"{drawn}/{drawing}", png(draw(scene, style, rng)))
        drawing += 1
        asked: set[str] = set()
        for _ in range(_QUESTIONS):
            query = task.draw(scene, rng)
            text = "" if query is None else write(query, rng)
            if query is None or text in asked or len(items) == size:
                continue
            asked.add(text)
            matches = same_record if query.kind == "record" else None
            items.append(
                Item(f"{image.id}/{len(asked)}", image, text, answer(query, scene) or "", (), query.kind, matches)
            )
    return Suite(name, tuple(items))
