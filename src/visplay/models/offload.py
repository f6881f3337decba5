"""Moving tensors between a device and CPU memory.

Left out: offloading to disk, and page-locked memory, which is a little faster and not available on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch


@dataclass(slots=True)
class Moves:
    """Number of transfers to the device and from it, and the bytes of all transfers."""

    loads: int = 0
    offloads: int = 0
    bytes: int = 0


class Offloader:
    """Moves a group of tensors to their device for computation and back to CPU memory in between.

    The tensor objects stay the same, so optimizers and tied weights keep valid references. The tensors can be read and
    saved in either place. If the device is the CPU, nothing is copied.

    Args:
        tensors: gives the tensors to move now; an optimizer has none before its first step.
        device: the device that computes with the tensors.
    Attributes:
        on_device: whether the tensors are on the device.
        moves: the transfers so far; on a CPU, the transfers that a GPU would have needed.
    """

    def __init__(self, tensors: Callable[[], Iterable[torch.Tensor]], device: torch.device) -> None:
        self._tensors = tensors
        self.device = device
        self.on_device = True
        self.moves = Moves()

    def to_device(self) -> None:
        """Move the tensors to the device; no-op if they are there already."""
        if not self.on_device:
            self._move(self.device)
            self.on_device = True
            self.moves.loads += 1

    def offload(self) -> None:
        """Move the tensors to CPU memory and free the device's memory."""
        if self.on_device:
            self._move(torch.device("cpu"))
            self.on_device = False
            self.moves.offloads += 1
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # vLLM does not use torch's caching allocator

    def _move(self, device: torch.device) -> None:
        with torch.no_grad():
            for tensor in self._tensors():
                tensor.data = tensor.data.to(device)
                self.moves.bytes += tensor.nbytes
