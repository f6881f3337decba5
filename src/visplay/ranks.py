"""The processes of a run, one a device: the first one runs the loop, the others do their share of what takes time.

What is marked `everywhere` is done by all processes when the first one calls it, each with its share of the pictures.
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

# The others wait for the first one for as long as it measures, writes or asks a server.
_PATIENCE = timedelta(days=7)
# Seconds in which torchrun surely finds that a process failed, and ends the others.
_COURTESY = 5.0

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class RankError(ValueError):
    """The processes of a run do not come or stay together; the message is one line that says why and what to do."""


class Ranks:
    """This process among those of a run. With one process nothing here does anything.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1, messages: dist.ProcessGroup | None = None) -> None:
        """Use `joined`, or `ALONE`."""
        self.rank = rank
        self.size = size
        self._messages = messages
        self._members: list[object] = []

    @property
    def leads(self) -> bool:
        """Whether this is the process that runs the loop."""
        return self.rank == 0

    def enlist(self, member: object) -> None:
        """Have a method of `member` that is marked `everywhere` called in every process.

        All processes make the same objects in the same order; that order is their name.
        """
        if self.size > 1:
            self._members.append(member)

    def tell(self, member: object, method: str, arguments: Sequence[Any]) -> None:
        """Have the others call a method of their own `member`; nothing to do for one of them."""
        if self.leads and self.size > 1:
            number = next(place for place, one in enumerate(self._members) if one is member)
            self.broadcast((number, method, tuple(arguments)))

    def follow(self) -> None:
        """Do what the first process does, until it calls `dismiss`."""
        while (call := self.broadcast(None)) is not None:
            number, method, arguments = call
            getattr(self._members[number], method)(*arguments)
        self._members.clear()

    def dismiss(self) -> None:
        """The first process needs nothing more of what was enlisted."""
        self.broadcast(None)
        self._members.clear()

    def owners(self, sizes: Sequence[float]) -> list[int]:
        """A rank for each of `sizes`, so that every rank has about the same sum; the same answer in every process."""
        loads = [(0.0, rank) for rank in range(self.size)]
        found = [0] * len(sizes)
        for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
            load, rank = loads[0]
            found[place] = rank
            heapq.heapreplace(loads, (load + sizes[place], rank))
        return found

    def share(self, sizes: Mapping[Key, float]) -> set[Key]:
        """Those keys that fall to this process."""
        owners = self.owners(list(sizes.values()))
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
        found: list[Any] | None = [None] * self.size if self.leads else None
        with _together():
            dist.gather_object(value, found, dst=0, group=self._messages)
        return found or []

    def totals(self, values: Sequence[float]) -> list[float]:
        """The sum of each of `values` over all processes, in every process."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64)
        with _together():
            dist.all_reduce(summed, group=self._messages)
        return [float(value) for value in summed]

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Give every process the sum of all gradients, added in float32; none stays where no process has one."""
        if self.size == 1:
            return
        having = self.totals([float(parameter.grad is not None) for parameter in parameters])
        for parameter, count in zip(parameters, having, strict=True):
            if count:
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                summed = own.float()
                with _together():
                    dist.all_reduce(summed)
                parameter.grad = summed.to(parameter.dtype)

    def spread(self, tensors: Sequence[torch.Tensor], owners: Sequence[int]) -> None:
        """Give every process each tensor as its owner has it."""
        if self.size > 1:
            with _together(), torch.no_grad():
                for tensor, owner in zip(tensors, owners, strict=True):
                    dist.broadcast(tensor.data, src=owner)


ALONE = Ranks()
"""The one process of a run that nothing started several of."""


class _Member(Protocol):
    @property
    def ranks(self) -> Ranks: ...


Enlisted = TypeVar("Enlisted", bound=_Member)


def everywhere(
    method: Callable[Concatenate[Enlisted, Arguments], Value],
) -> Callable[Concatenate[Enlisted, Arguments], Value]:
    """Mark a method that all processes carry out when the first one calls it; arguments by position alone.

    What it gives back is of use to the first process. It must not call another such method of a member.
    """

    @wraps(method)
    def call(member: Enlisted, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        member.ranks.tell(member, method.__name__, args)
        return method(member, *args, **kwargs)

    return call


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that torchrun started with this one; `ALONE` where nothing did.

    Raises:
        RankError: they cannot come together, or there are fewer GPUs than processes.
    """
    size = _from_environment("WORLD_SIZE", 1)
    if size == 1:
        yield ALONE
        return
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        here = _from_environment("LOCAL_RANK", 0)
        if here >= torch.cuda.device_count():
            raise RankError(
                f"process {here + 1} of this machine has no GPU of its own ({torch.cuda.device_count()} here); "
                "start as many processes as there are GPUs"
            )
        torch.cuda.set_device(here)
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=_PATIENCE)
        messages = dist.new_group(backend="gloo", timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise RankError(f"{size} processes cannot come together ({_reason(error)}); start them by torchrun") from None
    ranks = Ranks(dist.get_rank(), size, messages)
    with _who_knows_first(ranks):
        yield ranks
    # Not after an error: the others may be in the middle of something, and would be waited for. And a vLLM of this
    # process ends all groups together with its own.
    if "vllm" not in sys.modules:
        dist.destroy_process_group()


@contextmanager
def _who_knows_first(ranks: Ranks) -> Iterator[None]:
    """Let a process that failed be ended before it speaks, where it has nothing to say that is not said elsewhere.

    What goes wrong in all processes the first one tells; that another went away, whoever started them.
    """
    try:
        yield
    except Exception as error:
        if not ranks.leads or isinstance(error, RankError):
            time.sleep(_COURTESY)
        raise


def processes() -> int:
    """How many processes torchrun started, this one among them."""
    return _from_environment("WORLD_SIZE", 1)


def _from_environment(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise RankError(f"{name}={text} is no number; start several processes by torchrun")
    return int(text)


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise RankError(
            f"another process of the run went away ({_reason(error)}); `visplay evolve --resume --out DIR` goes on"
        ) from None


def _reason(error: Exception) -> str:
    """The first sentence, without the place in torch's sources that it may begin with."""
    text = re.sub(r"^\[\S+\] ", "", " ".join(str(error).split()))
    return text.split(". ")[0][:200]
