"""Labelled suites of the lab, generated from a seed: a task in a look, `lab/<task>/<look>`.

Tasks: what pretraining taught (colour, shape, existence, counting), what needs two things
(comparison, relation), pairs never seen in pretraining (composition), things that are
not there (hallucination), and one thing alone of any pair (single), as easy-vqa draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visplay.lab.draw import LOOKS, STYLES, draw, png
from visplay.lab.language import Kind, Noun, Query, write
from visplay.lab.oracle import answer
from visplay.lab.questions import RELATIONS, SIZES, absent_noun, random_query
from visplay.lab.scene import ALL_PAIRS, SEEN_PAIRS, UNSEEN_PAIRS, Scene, random_scene
from visplay.types import ImageRef, Item, Suite

QUESTIONS_PER_PICTURE = 4


@dataclass(frozen=True, slots=True)
class Task:
    """What a suite asks: question kinds, the numbers of things, the pairs on the image."""

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
    seed: int, items_per_suite: int, tasks: Sequence[str] = tuple(TASKS), looks: Sequence[str] = LOOKS
) -> list[Suite]:
    """One suite a task and look; the same seed gives the same drawings, questions and ids.

    Raises:
        KeyError: an unknown task or look.
    """
    return [_suite(task, look, seed, items_per_suite) for task in tasks for look in looks]


def _suite(task: str, look: str, seed: int, size: int) -> Suite:
    name = f"lab/{task}/{look}"
    rng = np.random.default_rng([seed, 2, list(TASKS).index(task), LOOKS.index(look)])
    items: list[Item] = []
    drawing = 0
    while len(items) < size:
        scene = _scene(TASKS[task], look, rng)
        image = ImageRef(f"{name}/{seed}/{drawing}", png(draw(scene, look, rng)))
        drawing += 1
        asked: set[str] = set()
        for _ in range(QUESTIONS_PER_PICTURE):
            query = _query(TASKS[task], scene, rng)
            text = "" if query is None else write(query, rng)
            if query is None or text in asked or len(items) == size:
                continue
            asked.add(text)
            items.append(Item(f"{image.id}/{len(asked)}", image, text, answer(query, scene) or "", kind=query.kind))
    return Suite(name, tuple(items))


def _scene(task: Task, look: str, rng: np.random.Generator) -> Scene:
    style = STYLES[look]
    return random_scene(rng, int(rng.choice(task.counts)), task.pairs, style.sizes, style.turned)


def _query(task: Task, scene: Scene, rng: np.random.Generator) -> Query | None:
    kind = task.kinds[rng.integers(len(task.kinds))]
    if not task.absent_only:
        return random_query(kind, scene, rng)
    noun: Noun = absent_noun(scene, rng)
    return Query(kind, noun)
