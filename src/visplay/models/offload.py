"""Where tensors are: on the device that computes, or out of its way in CPU memory.

Left out: a disk, and page-locked memory, which would move a little faster and is not to be had on_all_ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch


@dataclass(slots=True)
class Moves:
    """How often tensors came to the device and left it, and the bytes of all these ways."""

    loads: int = 0
    offloads: int = 0
    bytes: int = 0


class Offloader:
    """Tensors that are on a device while something computes with them, and may be put away in between.

    They stay the same objects, so an optimizer and tied weights go on to know them, and can be read, saved and
    written wherever they are. On a CPU nothing is really moved.

    Args:
        tensors: gives those that belong together now; an optimizer has none before its first step.
        device: where they are used.
    Attributes:
        here: whether they are on the device.
        moves: what was moved so far; on a CPU, what would have been on a GPU.
    """

    def __init__(self, tensors: Callable[[], Iterable[torch.Tensor]], device: torch.device) -> None:
        self._tensors = tensors
        self.device = device
        self.on_device = True
        self.moves = Moves()

    def to_device(self) -> None:
        """Be on the device; nothing to do where they are there already."""
        if not self.on_device:
            self._move(self.device)
            self.on_device = True
            self.moves.loads += 1

    def offload(self) -> None:
        """Be in CPU memory, and leave the device's to others."""
        if self.on_device:
            self._move(torch.device("cpu"))
            self.on_device = False
            self.moves.offloads += 1
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # vLLM takes its memory past torch's allocator

    def _move(self, device: torch.device) -> None:
        with torch.no_grad():
            for tensor in self._tensors():
                tensor.data = tensor.data.to(device)
                self.moves.bytes += tensor.nbytes
