"""The parts, in the order of what is wanted most."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from benchmarks.gpu.bench import Bench


class Part(NamedTuple):
    """A part of the measurement.

    Attributes:
        limit_s: seconds after which it is stopped.
        module: in this package; its `run` takes a `Bench` and `arguments`.
        beside: it needs no GPU, so it runs beside the parts that follow.
    """

    name: str
    limit_s: int
    module: str
    arguments: tuple[Any, ...] = ()
    beside: bool = False

    def run(self, bench: Bench) -> None:
        """Measure; findings are written as they come."""
        import_module(f"benchmarks.gpu.{self.module}").run(bench, *self.arguments)


PARTS = (
    Part("machine", 60, "machine"),
    Part("same", 100, "same"),
    Part("update3b", 110, "update"),
    Part("rollout3b", 110, "rollout"),
    Part("trl3b", 75, "trl"),
    Part("lab_cuda", 70, "lab", ("cuda",)),
    Part("lab_cpu", 150, "lab", ("cpu",), beside=True),
    Part("memory3b", 75, "memory", ("3b", "3b-24gb", "24GB", 400)),
    Part("memory7b", 100, "memory", ("7b", "7b-80gb", "80GB", 1024)),
    Part("flex", 60, "flex"),
)
BY_NAME = {part.name: part for part in PARTS}
