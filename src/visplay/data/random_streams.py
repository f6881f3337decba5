"""Random generators by name, so that no two uses of a run's seed draw the same numbers."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def random_stream(seed: int, name: str) -> np.random.Generator:
    """A generator that depends on the run's seed and a name alone.

    Numbers in place of names would collide: NumPy pads a seed with zeros, so that [s, 4] and [s, 4, 0] are one stream.

    Args:
        name: says what is drawn, such as "sampler/round 3"; different names give independent streams.
    """
    digest = blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))
