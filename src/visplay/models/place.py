"""Where tensors are: on the device that computes, or out of its way in CPU memory.

Left out: a disk, and page-locked memory, which would move a little faster and is not to be had everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch


@dataclass(slots=True)
class Moves:
    """How often tensors came to the device and left it, and the bytes of all these ways."""

    came: int = 0
    left: int = 0
    bytes: int = 0


class Place:
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
        self.here = True
        self.moves = Moves()

    def come(self) -> None:
        """Be on the device; nothing to do where they are there already."""
        if not self.here:
            self._move(self.device)
            self.here = True
            self.moves.came += 1

    def leave(self) -> None:
        """Be in CPU memory, and leave the device's to others."""
        if self.here:
            self._move(torch.device("cpu"))
            self.here = False
            self.moves.left += 1
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # vLLM takes its memory past torch's allocator

    def _move(self, device: torch.device) -> None:
        with torch.no_grad():
            for tensor in self._tensors():
                tensor.data = tensor.data.to(device)
                self.moves.bytes += tensor.nbytes
