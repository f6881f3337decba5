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
from visplay.errors import one_line
from visplay.models.offload import Offloader


class MasterOptimizer:
    """AdamW of a role's trainable weights, which have equal gradients in all processes.

    `inner` is the optimizer of torch or bitsandbytes, for this process's masters; a float32 weight is its own master.
    """

    def __init__(
        self, parameters: Sequence[torch.nn.Parameter], settings: RLSettings, controller: Controller = SINGLE_PROCESS
    ) -> None:
        self._parameters = list(parameters)
        self._controller = controller
        self._owners = controller.partition([parameter.numel() for parameter in parameters])
        own = [place for place, owner in enumerate(self._owners) if owner == controller.rank]
        masters = {place: _master(parameters[place]) for place in own}
        self._places = own
        self._copied = {place: m for place, m in masters.items() if m is not parameters[place]}
        self.inner = _adamw(list(masters.values()), settings)
        self.offloader = Offloader(self._own_tensors, parameters[0].device)

    def step(self, decay: float = 1.0) -> None:
        """Update the weights by their gradients, at `decay` times the learning rate, then clear the gradients."""
        self.offloader.to_device()
        for place, master in self._copied.items():
            parameter = self._parameters[place]
            if not torch.equal(master.detach().to(parameter.dtype), parameter):
                master.data.copy_(parameter.data)  # the weights were restored without their masters
            master.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        (group,) = self.inner.param_groups
        rate = group["lr"]
        group["lr"] = decay * rate
        try:
            self.inner.step()
        finally:
            group["lr"] = rate
        self.zero_grad()
        with torch.no_grad():
            for place, master in self._copied.items():
                self._parameters[place].copy_(master)
        self._controller.broadcast_tensors(self._parameters, self._owners)

    def reset(self) -> None:
        """Forget the moments and the number of steps, as at the start of a run."""
        self.inner.state.clear()

    def zero_grad(self) -> None:
        """Clear the gradients of weights and masters."""
        self.inner.zero_grad(set_to_none=True)
        for parameter in self._parameters:
            parameter.grad = None

    def save(self, folder: Path) -> None:
        """Write moments and masters, one file each per process. The policy saves the weights."""
        folder.mkdir(parents=True, exist_ok=True)
        # torch numbers the weights of a process; files number them by their place among all weights.
        state = self.inner.state_dict()
        moments = {self._places[number]: values for number, values in state["state"].items()}
        groups = [group | {"params": self._places} for group in state["param_groups"]]
        _write(self._file(folder, "optimizer"), {"state": moments, "param_groups": groups})
        if self._copied:
            kept = {place: master.detach() for place, master in self._copied.items()}
            _write(self._file(folder, "masters"), kept)
        self._controller.gather(None)  # a barrier: rank 0 continues when all files are written

    def restore(self, folder: Path) -> None:
        """Read the files of `save` by any number of processes. Missing masters copy the weights.

        Learning rate and weight decay stay those of the settings, which may have changed since `save`.
        """
        states = [_read(file) for file in sorted(folder.glob("optimizer*.pt"))]
        if not states:
            raise FileNotFoundError(2, "no such file", str(self._file(folder, "optimizer")))
        groups = [state["param_groups"][0] for state in states]
        if sorted(place for group in groups for place in group["params"]) != list(range(len(self._parameters))):
            raise ValueError(f"the optimizer state is not that of {len(self._parameters)} weights")
        moments = {place: values for state in states for place, values in state["state"].items()}
        own = {n: _copies(moments[place]) for n, place in enumerate(self._places) if place in moments}
        in_force = {name: self.inner.param_groups[0][name] for name in ("lr", "weight_decay")}
        group = groups[0] | in_force | {"params": list(range(len(self._places)))}
        self.inner.load_state_dict({"state": own, "param_groups": [group]})
        kept = {place: master for file in folder.glob("masters*.pt") for place, master in _read(file).items()}
        with torch.no_grad():
            for place, master in self._copied.items():
                master.copy_(kept.get(place, self._parameters[place]))

    def _file(self, folder: Path, name: str) -> Path:
        rank, size = self._controller.rank, self._controller.size
        return folder / (f"{name}.pt" if size == 1 else f"{name}-{rank + 1}-of-{size}.pt")

    def _own_tensors(self) -> Iterator[torch.Tensor]:
        yield from self._copied.values()
        for state in self.inner.state.values():
            # torch keeps the step count in CPU memory.
            yield from (value for name, value in state.items() if isinstance(value, torch.Tensor) and name != "step")


def _master(parameter: torch.nn.Parameter) -> torch.nn.Parameter:
    return parameter if parameter.dtype == torch.float32 else torch.nn.Parameter(parameter.detach().float())


def _write(file: Path, values: Any) -> None:
    try:
        torch.save(values, file)
    except RuntimeError as error:
        # torch has no word for a full disk but "unexpected pos 768 vs 662".
        raise OSError(f"only a part of {file.name} was written; is the disk full? ({one_line(error)})") from None


def _read(file: Path) -> Any:
    """The content of a file, memory-mapped: tensors that are not used are not read, and the others must be copied.

    torch does not verify the checksums of a mapped file; the checkpoint's manifest does.
    """
    return torch.load(file, weights_only=True, map_location="cpu", mmap=True)


def _copies(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in values.items()}


def _adamw(parameters: list[torch.nn.Parameter], settings: RLSettings) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    groups = [{"params": parameters}]  # a group may be empty if there are more processes than weights
    if settings.optimizer == "adamw":
        # foreach=True would need as much memory again for the roots of the second moments.
        return torch.optim.AdamW(groups, foreach=False, **options)
    from bitsandbytes.optim.adamw import AdamW8bit

    eight_bit: torch.optim.Optimizer = AdamW8bit(groups, **options)
    return eight_bit
