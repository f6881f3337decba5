"""Ways of doing the same thing, timed in turn (A B A B …), and how the result is told."""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch

import visplay

Task = Callable[[int], Callable[[], object]]
"""Given the number of a round, makes everything ready; what it returns is then timed."""

_PACKAGES = ("torch", "transformers", "trl", "numpy", "scipy", "nltk", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark found.

    Attributes:
        seconds: of every counted round, by contender; "ours" and "peer" among them.
        sizes: what was done, so that somebody else can do it again.
        floor_seconds: the least time the necessary operations take; None where they were not counted.
        details: benchmark-specific fields, such as how exactly both sides agree.
        peak_memory_bytes: by contender, where it was measured.
    """

    benchmark: str
    seconds: Mapping[str, Sequence[float]]
    sizes: Mapping[str, Any]
    threads: int
    floor_seconds: float | None
    details: Mapping[str, Any] = field(default_factory=dict)
    peak_memory_bytes: Mapping[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """Everything as JSON values; `ratio` is how many times as long the peer takes."""
        medians = {name: median(rounds) for name, rounds in self.seconds.items()}
        ours = medians["ours"]
        return {
            "benchmark": self.benchmark,
            "ratio": medians["peer"] / ours if "peer" in medians else None,
            "ours_seconds": ours,
            "peer_seconds": medians.get("peer"),
            "floor_seconds": self.floor_seconds,
            "ours_over_floor": ours / self.floor_seconds if self.floor_seconds else None,
            "threads": self.threads,
            "repeats": len(self.seconds["ours"]),
            "rounds": {name: list(rounds) for name, rounds in self.seconds.items()},
            "sizes": dict(self.sizes),
            **self.details,
            "peak_memory_bytes": self.peak_memory_bytes,
            "versions": versions(),
            "machine": machine(),
        }


def parser(description: str | None, repeats: int) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--json", action="store_true", help="end with one JSON object on a line of its own")
    found.add_argument("--threads", type=int, default=2, help="CPU threads of both sides (default %(default)s)")
    found.add_argument(
        "--repeats", type=int, default=repeats, help="rounds after the one that warms up (default %(default)s)"
    )
    return found


def fix_threads(count: int) -> None:
    """Let PyTorch, and the libraries below NumPy and SciPy, use `count` threads."""
    import threadpoolctl  # here, because `benchmarks.gpu` does without

    torch.set_num_threads(count)
    threadpoolctl.threadpool_limits(count)


def alternate(tasks: Mapping[str, Task], repeats: int) -> dict[str, list[float]]:
    """Seconds of each task in each of `repeats` rounds; a first round warms up and is not counted.

    Whatever else the machine does meanwhile falls on all tasks alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(repeats + 1):
        for name, task in tasks.items():
            run = task(number)
            gc.collect()
            begun = time.perf_counter()
            run()
            spent = time.perf_counter() - begun
            if number > 0:
                seconds[name].append(spent)
    return seconds


def report(result: Result, as_json: bool) -> None:
    """A short table, or one JSON object on the last line."""
    fields = result.fields()
    if as_json:
        print(json.dumps(fields), flush=True)
        return
    sizes = ", ".join(f"{name} {value}" for name, value in result.sizes.items())
    print(f"{result.benchmark}: {sizes}")
    for name, rounds in result.seconds.items():
        print(f"  {name:<18} {median(rounds):9.3f} s   ({min(rounds):.3f} to {max(rounds):.3f})")
    if result.floor_seconds:
        print(f"  {'floor':<18} {result.floor_seconds:9.3f} s   ours takes {fields['ours_over_floor']:.2f} times that")
    for name, value in (result.peak_memory_bytes or {}).items():
        print(f"  {name:<18} {value['above_baseline'] / 2**20:9.0f} MiB above {value['baseline'] / 2**20:.0f} MiB")
    for name, value in result.details.items():
        print(f"  {name}: {value}")
    ratio = f"ratio {fields['ratio']:.2f}" if fields["ratio"] else "no peer"
    print(f"  {ratio}   ({result.threads} threads, {fields['repeats']} repeats, {fields['machine']})")


def versions() -> dict[str, str]:
    """Of Python, visplay and everything that was measured."""
    found = {"python": platform.python_version(), "visplay": visplay.__version__}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Name of the processor."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
