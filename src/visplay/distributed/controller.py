"""The processes of a run, one per device: rank 0 runs the loop, and all ranks share generation and training.

When rank 0 calls a method with the decorator `on_all_ranks`, all ranks call it, each for its share of the images. The
loop, its files and its random numbers are therefore those of a run with one process. `launch.py` starts the processes
of one machine, torchrun those of several. They exchange tensors and the messages of `messages.py`, and no pickles.

Left out: models that are sharded over devices (FSDP, tensor parallelism), and machines without a common file system.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import FileStore  # torch.distributed has it, but not for type checkers

from visplay.distributed.loopback import RENDEZVOUS
from visplay.distributed.messages import decode, encode
from visplay.errors import DistributedError

# Other ranks wait for rank 0 while it evaluates, writes or uses a server.
_TIMEOUT = timedelta(days=7)
# Seconds within which the launcher or torchrun detects a failed process and ends the others.
_REPORT_DELAY_S = 5.0
# The functions that a message of rank 0 may call.
_CALLABLE = set[Callable[..., Any]]()

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class Controller:
    """Communication between the `size` processes of a run. With one process, all methods are no-ops."""

    def __init__(self, rank: int = 0, size: int = 1, messages: dist.ProcessGroup | None = None) -> None:
        self.rank = rank
        self.size = size
        self.is_main = rank == 0
        self._messages = messages
        self._members: list[object] = []

    def register(self, member: object) -> None:
        """Make the `on_all_ranks` methods of `member` callable on all ranks, which register in the same order."""
        if self.size > 1:
            self._members.append(member)

    def call_others(self, member: object, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """On rank 0: have the other ranks call a method of their own `member`. On other ranks: nothing."""
        if self.is_main and self.size > 1:
            number = next(index for index, registered in enumerate(self._members) if registered is member)
            self.broadcast((number, method, args, [*kwargs.items()]))

    def serve(self) -> None:
        """On other ranks: execute the calls of rank 0 until it calls `shutdown`."""
        while (call := self.broadcast(None)) is not None:
            number, name, args, kwargs = call
            method = getattr(type(self._members[number]), name, None)
            if method not in _CALLABLE:
                raise DistributedError(f"process 1 called {name}, which is not a method of @on_all_ranks")
            method(self._members[number], *args, **dict(kwargs))
        self._members.clear()

    def shutdown(self) -> None:
        """On rank 0: end `serve` on the other ranks."""
        self.broadcast(None)
        self._members.clear()

    def partition(self, sizes: Sequence[float]) -> list[int]:
        """A rank for each of `sizes`, so that all ranks have about the same sum; the same result on every rank."""
        loads, owners = [0.0] * self.size, [0] * len(sizes)
        for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
            owners[place] = loads.index(min(loads))
            loads[owners[place]] += sizes[place]
        return owners

    def my_share(self, sizes: Mapping[Key, float]) -> set[Key]:
        """The keys that `partition` assigns to this rank."""
        owners = self.partition(list(sizes.values()))
        return {key for key, owner in zip(sizes, owners, strict=True) if owner == self.rank}

    def broadcast(self, value: Any) -> Any:
        """Rank 0's `value` on every rank, as `messages.py` sends it."""
        if self.size == 1:
            return value
        own = _bytes_of(encode(value)) if self.is_main else torch.empty(0, dtype=torch.uint8)
        size = torch.tensor(len(own))
        with _collective():
            dist.broadcast(size, src=0, group=self._messages)
            message = own if self.is_main else torch.empty(int(size), dtype=torch.uint8)
            dist.broadcast(message, src=0, group=self._messages)
        return value if self.is_main else decode(_as_bytes(message))

    def gather(self, value: Value) -> list[Value]:
        """On rank 0: the `value` of every rank, in order, as `messages.py` sends it. On other ranks: an empty list."""
        if self.size == 1:
            return [value]
        own = _bytes_of(encode(value))
        sizes = [torch.tensor(0) for _ in range(self.size)]
        with _collective():
            dist.all_gather(sizes, torch.tensor(len(own)), group=self._messages)
            # All tensors of a gather have one size.
            longest = int(max(sizes))
            padded = torch.nn.functional.pad(own, (0, longest - len(own)))
            found = [torch.empty(longest, dtype=torch.uint8) for _ in sizes] if self.is_main else None
            dist.gather(padded, found, dst=0, group=self._messages)
        return [decode(_as_bytes(m[: int(size)])) for m, size in zip(found or (), sizes, strict=False)]

    def all_reduce_sum(self, values: Sequence[float]) -> list[float]:
        """The sums of `values` over all ranks, on every rank."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64)
        with _collective():
            dist.all_reduce(summed, group=self._messages)
        return list(map(float, summed))

    def all_reduce_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Set gradients to their sums over all ranks, added in float32; a gradient stays None if no rank has one."""
        if self.size == 1:
            return
        counts = self.all_reduce_sum([parameter.grad is not None for parameter in parameters])
        with _collective():
            for parameter in (p for p, count in zip(parameters, counts, strict=True) if count):
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                summed = own.float()
                dist.all_reduce(summed)
                parameter.grad = summed.to(parameter.dtype)

    def broadcast_tensors(self, tensors: Sequence[torch.Tensor], owners: Sequence[int]) -> None:
        """Set each tensor on every rank to the value on its owner's rank."""
        if self.size > 1:
            with _collective(), torch.no_grad():
                for tensor, owner in zip(tensors, owners, strict=True):
                    dist.broadcast(tensor.data, src=owner)


SINGLE_PROCESS = Controller()
"""The controller of a run with one process."""


def on_all_ranks(
    method: Callable[Concatenate[Any, Arguments], Value],
) -> Callable[Concatenate[Any, Arguments], Value]:
    """Decorator for a registered object with a `controller`: when rank 0 calls the method, all ranks call it as well.

    Arguments are what `messages.py` sends; a sequence may arrive as a list. Only rank 0's return value is meaningful.
    Do not nest: a decorated method must not call another decorated method.
    """

    @wraps(method)
    def call(member: Any, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        member.controller.call_others(member, method.__name__, args, kwargs)
        return method(member, *args, **kwargs)

    _CALLABLE.add(call)
    return call


@contextmanager
def init_distributed() -> Iterator[Controller]:
    """Context manager: the controller for the processes of `launch` or torchrun; `SINGLE_PROCESS` for one process."""
    size = processes()
    if size == 1:
        yield SINGLE_PROCESS
        return
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        here, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if here >= gpus:
            raise DistributedError(
                f"process {here + 1} of this machine has no GPU of its own ({gpus} GPUs); "
                "start as many processes as there are GPUs"
            )
        torch.cuda.set_device(here)
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=_TIMEOUT, **_meeting(size))
        messages = dist.new_group(backend="gloo", timeout=_TIMEOUT)
    except (ValueError, RuntimeError) as error:
        raise DistributedError(
            f"{size} processes cannot connect to each other ({_reason(error)}); start them with torchrun"
        ) from None
    controller = Controller(dist.get_rank(), size, messages)
    try:
        yield controller
    except Exception as error:
        # Rank 0 reports errors that all ranks have; the launcher reports a process that was lost. The delay lets
        # the launcher end this process before it prints them.
        if not controller.is_main or isinstance(error, DistributedError):
            time.sleep(_REPORT_DELAY_S)
        raise
    # Not after an error, because it would wait for ranks that are busy. Not with vLLM, whose shutdown destroys all
    # process groups.
    if "vllm" not in sys.modules:
        dist.destroy_process_group()


def processes() -> int:
    """Number of processes of the run: that of `launch` or torchrun, else 1."""
    size = os.environ.get("WORLD_SIZE") or "1"
    if not size.isdecimal():
        raise DistributedError(f"WORLD_SIZE={size} is not a number; start several processes with torchrun")
    return int(size)


def _meeting(size: int) -> dict[str, Any]:
    """Arguments that say where processes find each other: in the file of `launch`, or at the address of torchrun."""
    file = os.environ.get(RENDEZVOUS)
    if file is None:
        return {}
    store = FileStore(file, size)
    store.set_timeout(_TIMEOUT)
    return {"store": store, "rank": int(os.environ["RANK"]), "world_size": size}


def _bytes_of(message: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(message), dtype=torch.uint8)


def _as_bytes(message: torch.Tensor) -> bytes:
    return message.numpy().tobytes()


@contextmanager
def _collective() -> Iterator[None]:
    """Context manager of collective operations: their RuntimeError means that another process was lost."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise DistributedError(
            f"another process of the run was lost ({_reason(error)}); continue with `visplay evolve --resume --out DIR`"
        ) from None


def _reason(error: Exception) -> str:
    """The first sentence of an error, without the source location that torch may write before it."""
    text = re.sub(r"^\[\S+\] ", "", " ".join(str(error).split()))
    return text.split(". ")[0][:200]
