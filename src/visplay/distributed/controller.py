"""The processes of a run, one a device: the first one runs the loop, the others do their share of what takes time.

What is marked `on_all_ranks` is done by all processes when the first one calls it, each with its share of the images.
So the loop, its files and its random numbers are those of a run with one process. torchrun starts them, or `launch.py`;
torch.distributed carries objects and weights between them.

Left out: a model cut over several devices (FSDP, tensor parallel), and machines without a common file system.
"""

from __future__ import annotations

import heapq
import os
import re
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import torch
import torch.distributed as dist

from visplay.errors import DistributedError

# The others wait for the first one for as long as it measures, writes or asks a server.
_PATIENCE = timedelta(days=7)
# Seconds in which torchrun surely finds that a process failed, and ends the others.
_COURTESY = 5.0

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class Controller:
    """This process among those of a run. With one process nothing here does anything.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1, messages: dist.ProcessGroup | None = None) -> None:
        """Use `init_distributed`, or `SINGLE_PROCESS`."""
        self.rank = rank
        self.size = size
        self._messages = messages
        self._members: list[object] = []

    @property
    def is_main(self) -> bool:
        """Whether this is the process that runs the loop."""
        return self.rank == 0

    def register(self, member: object) -> None:
        """Have a method of `member` that is marked `on_all_ranks` called in every process.

        All processes make the same objects in the same order; that order is their name.
        """
        if self.size > 1:
            self._members.append(member)

    def call_others(
        self, member: object, method: str, arguments: Sequence[Any], keywords: Mapping[str, Any] | None = None
    ) -> None:
        """On rank 0: have the other ranks call a method of their own `member`. On other ranks: nothing."""
        if self.is_main and self.size > 1:
            number = next(place for place, one in enumerate(self._members) if one is member)
            self.broadcast((number, method, tuple(arguments), dict(keywords or {})))

    def serve(self) -> None:
        """Do what the first process does, until it calls `shutdown`."""
        while (call := self.broadcast(None)) is not None:
            number, method, arguments, keywords = call
            getattr(self._members[number], method)(*arguments, **keywords)
        self._members.clear()

    def shutdown(self) -> None:
        """The first process needs nothing more of what was registered."""
        self.broadcast(None)
        self._members.clear()

    def partition(self, sizes: Sequence[float]) -> list[int]:
        """A rank for each of `sizes`, so that every rank has about the same sum; the same answer in every process."""
        loads = [(0.0, rank) for rank in range(self.size)]
        found = [0] * len(sizes)
        for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
            load, rank = loads[0]
            found[place] = rank
            heapq.heapreplace(loads, (load + sizes[place], rank))
        return found

    def my_share(self, sizes: Mapping[Key, float]) -> set[Key]:
        """Those keys that fall to this process."""
        owners = self.partition(list(sizes.values()))
        return {key for key, owner in zip(sizes, owners, strict=True) if owner == self.rank}

    def broadcast(self, value: Any) -> Any:
        """The first process's `value`, in every process."""
        if self.size == 1:
            return value
        box = [value]
        with _together():
            dist.broadcast_object_list(box, src=0, group=self._messages)
        return box[0]

    def gather(self, value: Value) -> list[Value]:
        """Every process's `value` by rank, at the first process; nothing at the others."""
        if self.size == 1:
            return [value]
        found: list[Any] | None = [None] * self.size if self.is_main else None
        with _together():
            dist.gather_object(value, found, dst=0, group=self._messages)
        return found or []

    def all_reduce_sum(self, values: Sequence[float]) -> list[float]:
        """The sum of each of `values` over all processes, in every process."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64)
        with _together():
            dist.all_reduce(summed, group=self._messages)
        return [float(value) for value in summed]

    def all_reduce_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Give every process the sum of all gradients, added in float32; none stays where no process has one."""
        if self.size == 1:
            return
        having = self.all_reduce_sum([float(parameter.grad is not None) for parameter in parameters])
        for parameter, count in zip(parameters, having, strict=True):
            if count:
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                summed = own.float()
                with _together():
                    dist.all_reduce(summed)
                parameter.grad = summed.to(parameter.dtype)

    def broadcast_tensors(self, tensors: Sequence[torch.Tensor], owners: Sequence[int]) -> None:
        """Give every process each tensor as its owner has it."""
        if self.size > 1:
            with _together(), torch.no_grad():
                for tensor, owner in zip(tensors, owners, strict=True):
                    dist.broadcast(tensor.data, src=owner)


SINGLE_PROCESS = Controller()
"""The one process of a run that nothing started several of."""


class _Member(Protocol):
    @property
    def controller(self) -> Controller: ...


Registered = TypeVar("Registered", bound=_Member)


def on_all_ranks(
    method: Callable[Concatenate[Registered, Arguments], Value],
) -> Callable[Concatenate[Registered, Arguments], Value]:
    """Decorator: when rank 0 calls the method, all ranks call it with the same arguments.

    Only rank 0's return value is meaningful. Do not nest: a decorated method must not call another decorated method.
    """

    @wraps(method)
    def call(member: Registered, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        member.controller.call_others(member, method.__name__, args, kwargs)
        return method(member, *args, **kwargs)

    return call


@contextmanager
def init_distributed() -> Iterator[Controller]:
    """The processes that torchrun started with this one; `SINGLE_PROCESS` where nothing did.

    Raises:
        DistributedError: they cannot come together, or there are fewer GPUs than processes.
    """
    size = _from_environment("WORLD_SIZE", 1)
    if size == 1:
        yield SINGLE_PROCESS
        return
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        here = _from_environment("LOCAL_RANK", 0)
        if here >= torch.cuda.device_count():
            raise DistributedError(
                f"process {here + 1} of this machine has no GPU of its own ({torch.cuda.device_count()} here); "
                "start as many processes as there are GPUs"
            )
        torch.cuda.set_device(here)
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=_PATIENCE)
        messages = dist.new_group(backend="gloo", timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise DistributedError(
            f"{size} processes cannot come together ({_reason(error)}); start them by torchrun"
        ) from None
    controller = Controller(dist.get_rank(), size, messages)
    with _who_knows_first(controller):
        yield controller
    # Not after an error: the others may be in the middle of something, and would be waited for. And a vLLM of this
    # process ends all groups together with its own.
    if "vllm" not in sys.modules:
        dist.destroy_process_group()


@contextmanager
def _who_knows_first(controller: Controller) -> Iterator[None]:
    """Let a process that failed be ended before it speaks, where it has nothing to say that is not said elsewhere.

    What goes wrong in all processes the first one tells; that another went away, whoever started them.
    """
    try:
        yield
    except Exception as error:
        if not controller.is_main or isinstance(error, DistributedError):
            time.sleep(_COURTESY)
        raise


def processes() -> int:
    """How many processes torchrun started, this one among them."""
    return _from_environment("WORLD_SIZE", 1)


def _from_environment(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise DistributedError(f"{name}={text} is no number; start several processes by torchrun")
    return int(text)


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise DistributedError(
            f"another process of the run went away ({_reason(error)}); `visplay evolve --resume --out DIR` goes on"
        ) from None


def _reason(error: Exception) -> str:
    """The first sentence, without the place in torch's sources that it may begin with."""
    text = re.sub(r"^\[\S+\] ", "", " ".join(str(error).split()))
    return text.split(". ")[0][:200]
