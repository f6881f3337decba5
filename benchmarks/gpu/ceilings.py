"""The rates that floors are computed with, measured on the device at hand."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from statistics import median

import torch

from benchmarks.gpu.bench import Bench

_LAUNCHES = 2000


@dataclass(frozen=True)
class Ceilings:
    """What the device reaches with one large operation after the other.

    Attributes:
        flops, flops_float32: operations a second of a matrix product, in bfloat16, and in float32 without TF32.
        bytes_s: bytes a second of a copy, read and written ones together.
        launch_s: seconds from one small operation to the next, called from Python.
    """

    flops: float
    flops_float32: float
    bytes_s: float
    launch_s: float


def ceilings(bench: Bench) -> Ceilings:
    """The device's ceilings; the first part that asks measures them, in about a second."""
    file = bench.out / "ceilings.json"
    if file.exists():
        return Ceilings(**json.loads(file.read_text(encoding="utf-8")))
    whole = bench.pick(bench.device.is_gpu, False)
    found = Ceilings(
        flops=_product_rate(bench, 8192 if whole else 256, torch.bfloat16),
        flops_float32=_product_rate(bench, 4096 if whole else 256, torch.float32),
        bytes_s=_copy_rate(bench, 2**30 if whole else 2**22),
        launch_s=_launch(bench),
    )
    file.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _product_rate(bench: Bench, side: int, dtype: torch.dtype) -> float:
    left, right = (torch.randn(side, side, device=bench.device.torch).to(dtype) for _ in range(2))
    return 2 * side**3 / median(bench.device.seconds(lambda: left @ right, 10, 3))


def _copy_rate(bench: Bench, size: int) -> float:
    source = torch.zeros(size // 4, device=bench.device.torch)
    target = torch.empty_like(source)
    return 2 * size / median(bench.device.seconds(lambda: target.copy_(source), 10, 3))


def _launch(bench: Bench) -> float:
    tensor = torch.zeros(8, device=bench.device.torch)

    def launch() -> None:
        for _ in range(_LAUNCHES):
            tensor.add_(1)

    return median(bench.device.seconds(launch)) / _LAUNCHES
