"""The suites that have a name, and drawing some items of a large one."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from visplay.errors import EvaluationError
from visplay.evaluation.easy_vqa import easy_vqa_suites
from visplay.lab.draw import LOOKS
from visplay.lab.suites import TASKS, lab_suites
from visplay.types import Suite

LAB_ITEMS = 100


def open_suites(names: Iterable[str], seed: int, items_per_suite: int | None = None) -> tuple[Suite, ...]:
    """Suites by name, in the order named.

    Args:
        names: `easy_vqa` (the whole and its open questions), `lab` (every task and look), or a part of it such as
            `lab/single` or `lab/single/pastel`.
        seed: of the lab's drawings, and of which items are drawn when there are too many.
        items_per_suite: the most items a suite; None for all there are, which in the lab,
            where drawings never end, means LAB_ITEMS a task and look.
    Raises:
        EvaluationError: an unknown name.
    """
    suites: dict[str, Suite] = {}
    for name in names:
        if name == "easy_vqa":
            found: Iterable[Suite] = easy_vqa_suites()
        elif name.split("/")[0] == "lab":
            found = _lab(name, seed, items_per_suite or LAB_ITEMS)
        else:
            raise EvaluationError(f"no suite '{name}'; choose from easy_vqa, lab, lab/TASK, lab/TASK/LOOK")
        suites |= {suite.name: draw_items(suite, items_per_suite, seed) for suite in found}
    return tuple(suites.values())


def _lab(name: str, seed: int, items: int) -> list[Suite]:
    tasks, looks = ([part] if part else list(every) for part, every in zip(_parts(name), (TASKS, LOOKS), strict=True))
    if not (set(tasks) <= set(TASKS) and set(looks) <= set(LOOKS)):
        raise EvaluationError(f"no suite '{name}'; tasks are {', '.join(TASKS)}, looks are {', '.join(LOOKS)}")
    return lab_suites(seed, items, tasks, looks)


def _parts(name: str) -> tuple[str, str]:
    """Task and look of `lab/TASK/LOOK`, empty where the name leaves them out."""
    _, task, look, *rest = [*name.split("/"), "", ""]
    if any(rest):
        raise EvaluationError(f"no suite '{name}'; choose from easy_vqa, lab, lab/TASK, lab/TASK/LOOK")
    return task, look


def draw_items(suite: Suite, most: int | None, seed: int) -> Suite:
    """At most `most` items of `suite`, in its order, chosen by their ids and `seed` alone.

    The choice ranks items by a hash of the id, so an item drawn from a suite is also drawn
    from every smaller suite that holds it: shared items stay shared.
    """
    if most is None or len(suite.items) <= most:
        return suite
    hashes = {item.id: blake2b(f"{seed}/{item.id}".encode(), digest_size=8).digest() for item in suite.items}
    kept = set(sorted(hashes, key=lambda item_id: (hashes[item_id], item_id))[:most])
    return Suite(suite.name, tuple(item for item in suite.items if item.id in kept))
