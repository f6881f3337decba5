"""AdamW on float32 weights, whatever type the model computes in.

A weight in bfloat16 has 8 bits: a step of 1e-6 on one of 0.02 would be rounded away. Such weights have a master in
float32, which the optimizer changes and the model gets rounded (P. Micikevicius et al., arXiv 1710.03740).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from visplay.config import GRPOSettings
from visplay.models.place import Place

_STATE_FILE = "optimizer.pt"
_MASTERS_FILE = "masters.pt"


class MasterOptimizer:
    """AdamW of a role's trainable weights.

    Attributes:
        inner: torch's or bitsandbytes' optimizer, on masters; float32 weights are their own.
        place: where masters and moments are.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], settings: GRPOSettings) -> None:
        masters = [p if p.dtype == torch.float32 else torch.nn.Parameter(p.detach().float()) for p in parameters]
        self._copied = [(p, master) for p, master in zip(parameters, masters, strict=True) if p is not master]
        self.inner = _adamw(masters, settings)
        self.place = Place(self._held, parameters[0].device)

    def step(self) -> None:
        """Change the weights by their gradients, which are used up."""
        self.place.come()
        for parameter, master in self._copied:
            if not torch.equal(master.detach().to(parameter.dtype), parameter):
                master.data.copy_(parameter.data)  # they were restored meanwhile, and masters were not
            master.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        self.inner.step()
        self.zero_grad()
        with torch.no_grad():
            for parameter, master in self._copied:
                parameter.copy_(master)

    def zero_grad(self) -> None:
        """Forget the gradients of weights and masters."""
        self.inner.zero_grad(set_to_none=True)
        for parameter, _ in self._copied:
            parameter.grad = None

    def save(self, folder: Path) -> None:
        """Write moments and masters; the weights are the policy's to save."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.inner.state_dict(), folder / _STATE_FILE)
        if self._copied:
            torch.save([master.detach() for _, master in self._copied], folder / _MASTERS_FILE)

    def restore(self, folder: Path) -> None:
        """Read back what `save` wrote; where there are no masters, they begin as the weights are.

        Raises:
            OSError, ValueError, RuntimeError, KeyError: there is no such state, or it is of other weights.
        """
        state = torch.load(folder / _STATE_FILE, weights_only=True, map_location="cpu")
        kept: list[torch.Tensor] = [parameter.detach() for parameter, _ in self._copied]
        if self._copied and (folder / _MASTERS_FILE).exists():
            kept = torch.load(folder / _MASTERS_FILE, weights_only=True, map_location="cpu")
        self.inner.load_state_dict(state)
        with torch.no_grad():
            for (_, master), tensor in zip(self._copied, kept, strict=True):
                master.copy_(tensor)

    def _held(self) -> Iterator[torch.Tensor]:
        yield from (master for _, master in self._copied)
        for state in self.inner.state.values():
            # As torch does: the count of steps stays in CPU memory.
            yield from (value for name, value in state.items() if isinstance(value, torch.Tensor) and name != "step")


def _adamw(parameters: Sequence[torch.nn.Parameter], settings: GRPOSettings) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "adamw":
        # One tensor after the other: all at once would take their size again for roots of second moments.
        return torch.optim.AdamW(parameters, foreach=False, **options)
    from bitsandbytes.optim.adamw import AdamW8bit

    eight_bit: torch.optim.Optimizer = AdamW8bit(parameters, **options)
    return eight_bit
