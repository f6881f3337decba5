"""The memory that all threads together may use to decode images."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_LEAST, _MOST = 2**28, 2**31  # bytes
_SHARE = 4  # the budget is at most this part of the memory that is free when the first image is decoded


class Budget:
    """Bytes that threads hold for a while; who wants more than are left waits, for a large image until it is alone."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._held = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, wanted: int) -> Iterator[None]:
        """Context manager: `wanted` bytes, at most all, are the caller's. Never nest it: threads could deadlock."""
        wanted = min(wanted, self.total)
        with self._changed:
            self._changed.wait_for(lambda: self._held + wanted <= self.total)
            self._held += wanted
        try:
            yield
        finally:
            with self._changed:
                self._held -= wanted
                self._changed.notify_all()


@cache
def decoding_budget() -> Budget:
    """The budget of this process: a quarter of the free memory, at least 256 MiB and at most 2 GiB."""
    return Budget(min(_MOST, max(_LEAST, available_memory() // _SHARE)))


def available_memory() -> int:
    """Bytes that can be used without swapping, also within the limit of a container (cgroup version 2)."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError, IndexError):  # absent outside Linux
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    with suppress(OSError, ValueError):  # "max" is no limit
        limit, used = (int(Path("/sys/fs/cgroup", name).read_text()) for name in ("memory.max", "memory.current"))
        found.append(limit - used)
    return max(0, min(found))
