"""Rewards that carry no information, for the controls a gain must beat."""

from __future__ import annotations

from hashlib import blake2b


def random_reward(seed: int, key: str) -> float:
    """0.0 or 1.0 with equal chance, decided by `seed` and `key` alone."""
    return float(blake2b(f"{seed}/{key}".encode(), digest_size=1).digest()[0] & 1)
