"""Chooses questions about many images, balanced over skills, families and answers."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence

import numpy as np

from visplay.labeling.programs.program import Program

_Place = tuple[int, int]  # indices of an image and of a program about it
_Kind = tuple[str, str]  # a skill and a family of it


def choose(proposed: Sequence[Sequence[Program]], wanted: int, most: int, rng: np.random.Generator) -> list[list[int]]:
    """The indices of the programs chosen about each image, in ascending order.

    They are `wanted` programs in all, at most `most` about an image; fewer if there are no more. The next program is
    always of the skill chosen least so far, and of that skill's family chosen least. So a family that few images have
    comes before one that all of them have. In a family, each answer comes once before one comes again.
    """
    waiting = _by_kind(proposed, rng)
    chosen: list[list[int]] = [[] for _ in proposed]
    count = Counter[str | _Kind]()
    while waiting and sum(map(len, chosen)) < wanted:
        kind = min(waiting, key=lambda kind: (count[kind[0]], count[kind]))
        image, place = waiting[kind].popleft()
        if not waiting[kind]:
            del waiting[kind]
        if len(chosen[image]) < most:
            chosen[image].append(place)
            count.update([kind, kind[0]])
    return [sorted(places) for places in chosen]


def _by_kind(proposed: Sequence[Sequence[Program]], rng: np.random.Generator) -> dict[_Kind, deque[_Place]]:
    """The programs of each kind in random order, except that answers take turns."""
    places = [(image, place) for image, programs in enumerate(proposed) for place in range(len(programs))]
    alike = Counter[tuple[str, str]]()
    ranked: dict[_Kind, list[tuple[int, _Place]]] = defaultdict(list)
    for image, place in (places[index] for index in rng.permutation(len(places))):
        program = proposed[image][place]
        alike[program.family, program.answer] += 1
        ranked[program.skill, program.family].append((alike[program.family, program.answer], (image, place)))
    return {kind: deque(place for _, place in sorted(each, key=lambda pair: pair[0])) for kind, each in ranked.items()}
