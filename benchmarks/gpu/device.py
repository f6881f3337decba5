"""The device that is measured: its clock and its memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import torch


class Device:
    """A GPU, or the CPU of a machine without one, whose memory counts as 0."""

    def __init__(self) -> None:
        self.is_gpu = torch.cuda.is_available()
        self.torch = torch.device("cuda" if self.is_gpu else "cpu")

    def synchronize(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.is_gpu:
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object], repeats: int = 3, warm: int = 1) -> list[float]:
        """Seconds of each of `repeats` rounds, after `warm` rounds that are not counted."""
        for _ in range(warm):
            work()
        found = []
        for _ in range(repeats):
            self.synchronize()
            begun = time.perf_counter()
            work()
            self.synchronize()
            found.append(time.perf_counter() - begun)
        return found

    def held(self) -> int:
        """Bytes of tensors on the device."""
        return torch.cuda.memory_allocated() if self.is_gpu else 0

    def peak(self) -> int:
        """Most bytes of tensors on the device since `restart_peak`."""
        return torch.cuda.max_memory_allocated() if self.is_gpu else 0

    def restart_peak(self) -> None:
        """Let `peak` begin with what is held now."""
        if self.is_gpu:
            torch.cuda.reset_peak_memory_stats()

    def free(self) -> None:
        """Give back the memory of tensors that nobody refers to."""
        gc.collect()
        if self.is_gpu:
            torch.cuda.empty_cache()
