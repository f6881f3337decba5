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
from visplay.lab.questions import RELATIONS, SIZES, absent_noun, random_query
from visplay.lab.scene import ALL_PAIRS, SEEN_PAIRS, UNSEEN_PAIRS, Pair, Scene, random_scene
from visplay.types import ImageRef, Item, Suite

_ITEMS = 100  # of a suite
_QUESTIONS = 4  # about an image, at most


@dataclass(frozen=True, slots=True)
class Task:
    """Kinds of questions, numbers of things per image, pairs of colour and shape, and whether all nouns are absent."""

    kinds: tuple[Kind, ...]
    counts: tuple[int, ...] = (1, 2, 3)
    pairs: Sequence[Pair] = SEEN_PAIRS
    absent_only: bool = False

    def query(self, scene: Scene, rng: np.random.Generator) -> Query | None:
        """A random question of the task about a scene; None if the scene has no question of the chosen kind."""
        kind = self.kinds[rng.integers(len(self.kinds))]
        return Query(kind, absent_noun(scene, rng)) if self.absent_only else random_query(kind, scene, rng)


TASKS: dict[str, Task] = {
    "color": Task(("color",)),
    "shape": Task(("shape",)),
    "existence": Task(("exists", "absent")),
    "counting": Task(("count",)),
    "comparison": Task(("more", *SIZES), counts=(2, 3)),
    "relation": Task(RELATIONS, counts=(2, 3)),
    "composition": Task(("color", "shape", "exists"), counts=(1, 2), pairs=sorted(UNSEEN_PAIRS)),
    "hallucination": Task(("exists", "absent", "count"), absent_only=True),
    "single": Task(("color", "shape"), counts=(1,), pairs=ALL_PAIRS),
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
            query = task.query(scene, rng)
            text = "" if query is None else write(query, rng)
            if query is None or text in asked or len(items) == size:
                continue
            asked.add(text)
            items.append(Item(f"{image.id}/{len(asked)}", image, text, answer(query, scene) or "", kind=query.kind))
    return Suite(name, tuple(items))
