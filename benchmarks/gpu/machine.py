"""The part `machine`: versions, ceilings, and the work of the CPU before a GPU can begin."""

from __future__ import annotations

import os
from dataclasses import asdict
from statistics import median

import torch

from benchmarks import shapes
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.ceilings import ceilings
from benchmarks.gpu.models import make_vlm
from benchmarks.paired import machine as processor
from benchmarks.paired import versions

_IMAGES = 4


def run(bench: Bench) -> None:
    """Measure the machine itself."""
    bench.findings.add("machine", processor=processor(), cores=os.cpu_count(), versions=versions(), **_gpu(bench))
    bench.findings.add("ceilings", **asdict(ceilings(bench)))
    with bench.attempt("copies to the GPU"):
        _copies(bench)
    with bench.attempt("an image on the CPU"):
        _prepared_image(bench)


def _gpu(bench: Bench) -> dict[str, object]:
    if not bench.device.is_gpu:
        return {"gpu": None}
    found = torch.cuda.get_device_properties(0)
    return {"gpu": found.name, "memory": found.total_memory, "cuda": torch.version.cuda}


def _copies(bench: Bench) -> None:
    if not bench.has_gpu("copies to the GPU"):
        return
    pageable = torch.zeros(2**28, dtype=torch.uint8)
    pinned = pageable.pin_memory()

    def rate(host: torch.Tensor) -> float:
        copies = bench.device.seconds(lambda: host.to(bench.device.torch, non_blocking=True))
        return host.nbytes / median(copies)

    bench.findings.add("copies to the GPU", pageable_bytes_s=rate(pageable), pinned_bytes_s=rate(pinned))


def _prepared_image(bench: Bench) -> None:
    """What the main process does for an image before a GPU sees it."""
    image_tokens = bench.pick(1024, 16)
    vlm = make_vlm(bench, "3b, 4 layers", torch.bfloat16, image_tokens)
    images = iter([shapes.noise(f"prepared-{i}", image_tokens, i) for i in range(_IMAGES + 1)])
    rounds = bench.device.seconds(lambda: vlm.encode(next(images), "What is this?"), _IMAGES)
    held = vlm.encode(shapes.noise("prepared-0", image_tokens, 0), "What is this?").pixels.nbytes
    bench.findings.time("image prepared", f"{image_tokens} tokens", "visplay", "on the CPU", rounds, bytes=held)
