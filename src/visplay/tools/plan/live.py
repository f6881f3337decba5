"""How much memory a computation holds at once, counted while it runs; on the meta device nothing is really computed.

Counted are the storages that operators return. Left out: what kernels take and give back within one operator.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Within a `with` block, bytes of tensors that were made in it and are still held.

    Attributes:
        now: held at present.
        peak: the most that were held at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._held: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = {_name(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        output = function(*args, **kwargs)
        for tensor in tree_leaves(output):
            # Views and results written into what was there before take nothing.
            if isinstance(tensor, torch.Tensor) and _name(tensor) not in given:
                self._hold(tensor.untyped_storage())
        return output

    def _hold(self, storage: torch.UntypedStorage) -> None:
        name = storage._cdata
        if name in self._held:
            return
        self._held[name] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._let_go, name).atexit = False

    def _let_go(self, name: int) -> None:
        self.now -= self._held.pop(name)


def _name(tensor: torch.Tensor) -> int:
    name: int = tensor.untyped_storage()._cdata
    return name
