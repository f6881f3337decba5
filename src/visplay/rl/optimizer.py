"""AdamW with float32 master weights, for models in any dtype.

bfloat16 has 8 significant bits, so it would round away a step of 1e-6 on a weight of 0.02. The optimizer therefore
updates a float32 master copy, and the model gets the rounded values (P. Micikevicius et al., arXiv 1710.03740).

With several processes, each process has the masters and moments of its share of the weights, updates these weights, and
broadcasts them (ZeRO stage 1, arXiv 1910.02054).
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
        parameters: the role's trainable weights, with equal gradients in all processes.
        controller: the processes that share the work.
    Attributes:
        inner: the optimizer of torch or bitsandbytes, for this process's masters; a float32 weight is its own master.
        offloader: moves masters and moments between device and CPU memory.
    """

    def __init__(
        self, parameters: Sequence[torch.nn.Parameter], settings: RLSettings, controller: Controller = SINGLE_PROCESS
    ) -> None:
        self._parameters = list(parameters)
        self._controller = controller
        self._owners = controller.partition([parameter.numel() for parameter in parameters])
        self._own_places = [place for place, owner in enumerate(self._owners) if owner == controller.rank]
        own = [parameters[place] for place in self._own_places]
        masters = [p if p.dtype == torch.float32 else torch.nn.Parameter(p.detach().float()) for p in own]
        copied = zip(self._own_places, own, masters, strict=True)
        self._with_master = {place: (p, master) for place, p, master in copied if p is not master}
        self.inner = _adamw(masters, settings)
        self.offloader = Offloader(self._own_tensors, parameters[0].device)

    def step(self) -> None:
        """Update the weights by their gradients, then clear the gradients."""
        self.offloader.to_device()
        for parameter, master in self._with_master.values():
            if not torch.equal(master.detach().to(parameter.dtype), parameter):
                master.data.copy_(parameter.data)  # the weights were restored without their masters
            master.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        self.inner.step()
        self.zero_grad()
        with torch.no_grad():
            for parameter, master in self._with_master.values():
                parameter.copy_(master)
        self._controller.broadcast_tensors(self._parameters, self._owners)

    def zero_grad(self) -> None:
        """Clear the gradients of weights and masters."""
        self.inner.zero_grad(set_to_none=True)
        for parameter in self._parameters:
            parameter.grad = None

    def save(self, folder: Path) -> None:
        """Write moments and masters, one file each per process. The policy saves the weights."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self._state_by_place(self.inner.state_dict()), folder / self._file(_STATE))
        if self._with_master:
            kept = {place: master.detach() for place, (_, master) in self._with_master.items()}
            torch.save(kept, folder / self._file(_MASTERS))
        self._controller.gather(None)  # a barrier: rank 0 continues when all files are written

    def restore(self, folder: Path) -> None:
        """Read the files of `save`, which any number of processes may have written. Missing masters copy the weights.

        Raises:
            OSError, ValueError, RuntimeError, KeyError, TypeError: the state is missing, or belongs to other weights.
        """
        states = [_read(file) for file in sorted(folder.glob(f"{_STATE}*.pt"))]
        if not states:
            raise FileNotFoundError(2, "no such file", str(folder / self._file(_STATE)))
        self.inner.load_state_dict(self._own_state(states))
        kept: dict[int, torch.Tensor] = {}
        for file in folder.glob(f"{_MASTERS}*.pt"):
            kept |= _read(file)
        with torch.no_grad():
            for place, (parameter, master) in self._with_master.items():
                master.copy_(kept.get(place, parameter.detach()))

    def _file(self, name: str) -> str:
        controller = self._controller
        return f"{name}.pt" if controller.size == 1 else f"{name}-{controller.rank + 1}-of-{controller.size}.pt"

    def _state_by_place(self, state: dict[str, Any]) -> dict[str, Any]:
        """torch's optimizer state of this process, with weights numbered by their place among all weights."""
        (group,) = state["param_groups"]
        moments = {self._own_places[place]: values for place, values in state["state"].items()}
        return {"state": moments, "param_groups": [group | {"params": list(self._own_places)}]}

    def _own_state(self, states: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """torch's optimizer state for the weights of this process, from the results of `_state_by_place` of all."""
        groups = [state["param_groups"][0] for state in states]
        if sorted(place for group in groups for place in group["params"]) != list(range(len(self._parameters))):
            raise ValueError(f"the optimizer state is not that of {len(self._parameters)} weights")
        moments = {place: values for state in states for place, values in state["state"].items()}
        mine = {here: _copies(moments[place]) for here, place in enumerate(self._own_places) if place in moments}
        return {"state": mine, "param_groups": [groups[0] | {"params": list(range(len(self._own_places)))}]}

    def _own_tensors(self) -> Iterator[torch.Tensor]:
        yield from (master for _, master in self._with_master.values())
        for state in self.inner.state.values():
            # torch keeps the step count in CPU memory.
            yield from (value for name, value in state.items() if isinstance(value, torch.Tensor) and name != "step")


def _read(file: Path) -> Any:
    """The content of a file, memory-mapped: tensors that are not used are not read, and the others must be copied."""
    return torch.load(file, weights_only=True, map_location="cpu", mmap=True)


def _copies(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in values.items()}


def _adamw(parameters: Sequence[torch.nn.Parameter], settings: RLSettings) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    groups = [{"params": list(parameters)}]  # a group may be empty where processes outnumber weights
    if settings.optimizer == "adamw":
        # foreach=True would need as much memory again for the roots of the second moments.
        return torch.optim.AdamW(groups, foreach=False, **options)
    from bitsandbytes.optim.adamw import AdamW8bit

    eight_bit: torch.optim.Optimizer = AdamW8bit(groups, **options)
    return eight_bit
