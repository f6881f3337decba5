"""Questions such as a Questioner of the lab asks."""

from __future__ import annotations

import numpy as np

from visplay.lab.language import TEMPLATES, Kind, write
from visplay.lab.questions import careless_query
from visplay.lab.scene import ALL_PAIRS, random_scene


def lab_questions(count: int) -> list[str]:
    """In the lab's language, about drawings of one to six things, all kinds in turn; some come more than once."""
    rng = np.random.default_rng(0)
    kinds: list[Kind] = list(TEMPLATES)
    found = []
    for number in range(count):
        scene = random_scene(rng, int(rng.integers(1, 4)), ALL_PAIRS, (0.1, 0.2), turned=False)
        found.append(write(careless_query(kinds[number % len(kinds)], scene, rng), rng))
    return found
