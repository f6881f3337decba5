"""AdamW on float32 weights, whatever type the model computes in.

A weight in bfloat16 has 8 bits: a step of 1e-6 on one of 0.02 would be rounded away. Such weights have a master in
float32, which the optimizer changes and the model gets rounded (P. Micikevicius et al., arXiv 1710.03740).

Where a run has several processes, each of them has masters and moments of its share of the weights alone, changes
those, and gives them to the others (stage 1 of ZeRO, arXiv 1910.02054).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from visplay.config import RLSettings
from visplay.distributed.controller import SINGLE_PROCESS, Controller
from visplay.models.offload import Offloader

_STATE = "optimizer"
_MASTERS = "masters"


class MasterOptimizer:
    """AdamW of a role's trainable weights.

    Args:
        parameters: all of them, with the same gradients in every process.
        controller: the processes that share the work.
    Attributes:
        inner: torch's or bitsandbytes' optimizer, on this process's masters; float32 weights are their own.
        place: where masters and moments are.
    """

    def __init__(
        self, parameters: Sequence[torch.nn.Parameter], settings: RLSettings, controller: Controller = SINGLE_PROCESS
    ) -> None:
        self._parameters = list(parameters)
        self._controller = controller
        self._owners = controller.partition([parameter.numel() for parameter in parameters])
        self._own = [place for place, owner in enumerate(self._owners) if owner == controller.rank]
        own = [parameters[place] for place in self._own]
        masters = [p if p.dtype == torch.float32 else torch.nn.Parameter(p.detach().float()) for p in own]
        copied = zip(self._own, own, masters, strict=True)
        self._copied = {place: (p, master) for place, p, master in copied if p is not master}
        self.inner = _adamw(masters, settings)
        self.offloader = Offloader(self._held, parameters[0].device)

    def step(self) -> None:
        """Change the weights by their gradients, which are used up."""
        self.offloader.to_device()
        for parameter, master in self._copied.values():
            if not torch.equal(master.detach().to(parameter.dtype), parameter):
                master.data.copy_(parameter.data)  # they were restored meanwhile, and masters were not
            master.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        self.inner.step()
        self.zero_grad()
        with torch.no_grad():
            for parameter, master in self._copied.values():
                parameter.copy_(master)
        self._controller.broadcast_tensors(self._parameters, self._owners)

    def zero_grad(self) -> None:
        """Forget the gradients of weights and masters."""
        self.inner.zero_grad(set_to_none=True)
        for parameter in self._parameters:
            parameter.grad = None

    def save(self, folder: Path) -> None:
        """Write moments and masters, a file each and a process; the weights are the policy's to save."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self._numbered(self.inner.state_dict()), folder / self._file(_STATE))
        if self._copied:
            kept = {place: master.detach() for place, (_, master) in self._copied.items()}
            torch.save(kept, folder / self._file(_MASTERS))
        self._controller.gather(None)  # whoever goes on finds the files of all

    def restore(self, folder: Path) -> None:
        """Read back what `save` wrote, in as many processes as may be; masters that are missing begin as the weights.

        Raises:
            OSError, ValueError, RuntimeError, KeyError, TypeError: there is no such state, or it is of other weights.
        """
        states = [_read(file) for file in sorted(folder.glob(f"{_STATE}*.pt"))]
        if not states:
            raise FileNotFoundError(2, "no such file", str(folder / self._file(_STATE)))
        self.inner.load_state_dict(self._of_mine(states))
        kept: dict[int, torch.Tensor] = {}
        for file in folder.glob(f"{_MASTERS}*.pt"):
            kept |= _read(file)
        with torch.no_grad():
            for place, (parameter, master) in self._copied.items():
                master.copy_(kept.get(place, parameter.detach()))

    def _file(self, name: str) -> str:
        controller = self._controller
        return f"{name}.pt" if controller.size == 1 else f"{name}-{controller.rank + 1}-of-{controller.size}.pt"

    def _numbered(self, state: dict[str, Any]) -> dict[str, Any]:
        """torch's state of this process's weights, with their places among all weights."""
        (group,) = state["param_groups"]
        moments = {self._own[place]: values for place, values in state["state"].items()}
        return {"state": moments, "param_groups": [group | {"params": list(self._own)}]}

    def _of_mine(self, states: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """What `_numbered` gave in all processes, as torch wants it for the weights of this one."""
        groups = [state["param_groups"][0] for state in states]
        if sorted(place for group in groups for place in group["params"]) != list(range(len(self._parameters))):
            raise ValueError(f"it is not that of {len(self._parameters)} weights")
        moments = {place: values for state in states for place, values in state["state"].items()}
        mine = {here: _copies(moments[place]) for here, place in enumerate(self._own) if place in moments}
        return {"state": mine, "param_groups": [groups[0] | {"params": list(range(len(self._own)))}]}

    def _held(self) -> Iterator[torch.Tensor]:
        yield from (master for _, master in self._copied.values())
        for state in self.inner.state.values():
            # As torch does: the count of steps stays in CPU memory.
            yield from (value for name, value in state.items() if isinstance(value, torch.Tensor) and name != "step")


def _read(file: Path) -> Any:
    """A file of tensors; what is not used of them is not read, and what is must be copied."""
    return torch.load(file, weights_only=True, map_location="cpu", mmap=True)


def _copies(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in values.items()}


def _adamw(parameters: Sequence[torch.nn.Parameter], settings: RLSettings) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    groups = [{"params": list(parameters)}]  # a group may be empty where processes outnumber weights
    if settings.optimizer == "adamw":
        # One tensor after the other: all at once would take their size again for roots of second moments.
        return torch.optim.AdamW(groups, foreach=False, **options)
    from bitsandbytes.optim.adamw import AdamW8bit

    eight_bit: torch.optim.Optimizer = AdamW8bit(groups, **options)
    return eight_bit
