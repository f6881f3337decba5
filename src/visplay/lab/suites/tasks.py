"""Labelled suites of the lab, generated from a seed: `lab/<task>/<style>`.

The tasks are those of pretraining (color, shape, existence, counting), tasks with two things (comparison, relation),
pairs of colour and shape that pretraining never drew (composition), absent things (hallucination), and a single thing
of any pair (single), as in easy-vqa.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visplay.lab.draw import STYLE_NAMES, STYLES, draw, png
from visplay.lab.language import Kind, Noun, Query, write
from visplay.lab.oracle import answer
from visplay.lab.questions import RELATIONS, SIZES, absent_noun, random_query
from visplay.lab.scene import ALL_PAIRS, SEEN_PAIRS, UNSEEN_PAIRS, Scene, random_scene
from visplay.types import ImageRef, Item, Suite

QUESTIONS_PER_IMAGE = 4


@dataclass(frozen=True, slots=True)
class Task:
    """Kinds of questions, numbers of things per image, pairs of colour and shape, and whether all nouns are absent."""

    kinds: tuple[Kind, ...]
    counts: tuple[int, ...] = (1, 2, 3)
    pairs: Sequence[tuple[str, str]] = SEEN_PAIRS
    absent_only: bool = False


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


def lab_suites(
    seed: int, items_per_suite: int, tasks: Sequence[str] = tuple(TASKS), style_names: Sequence[str] = STYLE_NAMES
) -> list[Suite]:
    """One suite per task and style; the same seed gives the same drawings, questions and ids.

    Raises:
        KeyError: a task or style is unknown.
    """
    return [_suite(task, style_name, seed, items_per_suite) for task in tasks for style_name in style_names]


def _suite(task: str, style_name: str, seed: int, size: int) -> Suite:
    name = f"lab/{task}/{style_name}"
    rng = np.random.default_rng([seed, 2, list(TASKS).index(task), STYLE_NAMES.index(style_name)])
    items: list[Item] = []
    drawing = 0
    while len(items) < size:
        scene = _scene(TASKS[task], style_name, rng)
        image = ImageRef(f"{name}/{seed}/{drawing}", png(draw(scene, style_name, rng)))
        drawing += 1
        asked: set[str] = set()
        for _ in range(QUESTIONS_PER_IMAGE):
            query = _query(TASKS[task], scene, rng)
            text = "" if query is None else write(query, rng)
            if query is None or text in asked or len(items) == size:
                continue
            asked.add(text)
            items.append(Item(f"{image.id}/{len(asked)}", image, text, answer(query, scene) or "", kind=query.kind))
    return Suite(name, tuple(items))


def _scene(task: Task, style_name: str, rng: np.random.Generator) -> Scene:
    style = STYLES[style_name]
    return random_scene(rng, int(rng.choice(task.counts)), task.pairs, style.sizes, style.turned)


def _query(task: Task, scene: Scene, rng: np.random.Generator) -> Query | None:
    kind = task.kinds[rng.integers(len(task.kinds))]
    if not task.absent_only:
        return random_query(kind, scene, rng)
    noun: Noun = absent_noun(scene, rng)
    return Query(kind, noun)
