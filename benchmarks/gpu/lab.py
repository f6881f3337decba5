"""The parts `lab_cuda` and `lab_cpu`: a short iteration of the lab, on the GPU and on the CPU."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.bench import Bench

_SETTINGS = (
    "iterations=1",
    "evaluation.before=false",
    "evaluation.suites=[]",
    "trackers=[]",
    "questioner.steps=2",
    "silver.images=96",
    "reasoner.steps=4",
    "reasoner.questions_per_step=32",
)
_TINY = (
    "questioner.steps=1",
    "questioner.images_per_step=4",
    "silver.images=4",
    "reasoner.steps=1",
    "reasoner.questions_per_step=2",
)
_THREADS = 6  # of the CPU; the others are for the parts beside this one


def run(bench: Bench, device: str) -> None:
    """Time an iteration, and note the metrics of its steps."""
    what = f"an iteration on {device}"
    if device == "cuda" and not bench.has_gpu(what):
        return
    threads = min(_THREADS, os.cpu_count() or 1) if device == "cpu" else torch.get_num_threads()
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        begun = time.perf_counter()
        status = _evolve(out, device, bench.pick((), _TINY))
        spent = time.perf_counter() - begun
        _report(bench, out, device, threads, status, spent)


def _evolve(out: Path, device: str, more: tuple[str, ...]) -> int:
    from visplay.cli.main import main

    sets = [word for setting in (*_SETTINGS, *more, f"device={device}") for word in ("--set", setting)]
    return main(["evolve", "--preset", "votes", "--seed", "1", "--out", str(out), *sets])


def _report(bench: Bench, out: Path, device: str, threads: int, status: int, spent: float) -> None:
    from visplay.runs import read_metrics

    if status != 0:
        bench.findings.add(
            f"an iteration on {device}", failed=f"visplay evolve ended with status {status}; see log.txt"
        )
        return
    lines = read_metrics(out / "metrics.jsonl")
    loop = sum(line.get("time", {}).get("seconds", 0.0) for line in lines)
    steps = [{name: line[name] for name in ("phase", "step", "reward", "loss") if name in line} for line in lines]
    how = device if device == "cuda" else f"{threads} CPU threads"
    more: dict[str, Any] = {"with_start_s": spent, "steps": steps}
    bench.findings.time("an iteration of the lab", "in its loop", "visplay", how, [loop], **more)
