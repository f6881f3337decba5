"""Threads together hold no more than the budget, and each gets its turn."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

from visplay.images.budget import Budget, available_memory, decoding_budget


def test_threads_never_hold_more_than_all() -> None:
    budget, held, most = Budget(100), [], []

    def use(wanted: int) -> None:
        with budget.hold(wanted):
            held.append(min(wanted, 100))
            most.append(sum(held))
            time.sleep(0.0005)
            held.remove(min(wanted, 100))

    rng = random.Random(0)
    wanted = [rng.choice((1, 10, 40, 99, 100, 5000)) for _ in range(300)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, wanted))
    assert max(most) <= 100 and len(most) == 300
    with budget.hold(100):
        pass


def test_the_budget_follows_the_memory_of_the_machine() -> None:
    assert 2**20 < available_memory() < 2**50
    assert 2**28 <= decoding_budget().total <= 2**31
