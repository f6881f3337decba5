"""Moving tensors between a device and CPU memory. Left out: offloading to disk, and page-locked memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch


class Offloader:
    """Moves a group of tensors to their device for computation and back to CPU memory in between.

    The tensor objects stay the same, so optimizers and tied weights keep valid references. The tensors can be read and
    saved in either place. `tensors` gives those to move now; an optimizer has none before its first step.
    """

    def __init__(self, tensors: Callable[[], Iterable[torch.Tensor]], device: torch.device) -> None:
        self._tensors = tensors
        self.device = device
        self.on_device = True

    def to_device(self) -> None:
        """Move the tensors to the device, if they are not there."""
        if not self.on_device:
            self._move(self.device)

    def offload(self) -> None:
        """Move the tensors to CPU memory and free the device's memory."""
        if self.on_device:
            self._move(torch.device("cpu"))
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # vLLM does not use torch's caching allocator

    def _move(self, device: torch.device) -> None:
        with torch.no_grad():
            for tensor in self._tensors():
                tensor.data = tensor.data.to(device)
        self.on_device = not self.on_device
