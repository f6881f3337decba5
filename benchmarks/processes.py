"""One iteration on the lab by several processes of a thread each, against one process of as many threads, and of one.

All are whole programs, from their start to their report, with the same settings, seed and images; their rewards are
compared, and the benchmark fails where they differ by more than rounding explains.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.paired import Result, alternate, parser, report
from visplay.runs import read_metrics

SIZES = (
    "device=cpu",
    "iterations=1",
    "evaluation.suites=[easy_vqa]",
    "evaluation.items_per_suite=500",
    "questioner.steps=4",
    "silver.images=200",
    "reasoner.steps=10",
)
# Sums are made in another order, so after some updates an answer may differ here and there.
_ROUNDING = 0.05


def main() -> None:
    options = parser(__doc__, repeats=3)
    options.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting")
    options.add_argument("--processes", type=int, default=2, help="of ours (default %(default)s)")
    chosen = options.parse_args()
    flags = [part for setting in (*SIZES, *chosen.set) for part in ("--set", setting)]
    with tempfile.TemporaryDirectory() as folder:
        rewards: dict[str, list[float]] = {}

        def contender(name: str, threads: int, *arguments: str) -> Callable[[int], Callable[[], object]]:
            def prepare(number: int) -> Callable[[], object]:
                out = Path(folder) / f"{name}-{number}"

                def run() -> None:
                    evolve(out, threads, *flags, *arguments)
                    rewards[name] = [line["reward"] for line in read_metrics(out / "metrics.jsonl") if "reward" in line]

                return run

            return prepare

        tasks = {
            "ours": contender("ours", 1, "--processes", str(chosen.processes)),
            "peer": contender("peer", chosen.threads),
            "one thread": contender("one-thread", 1),
        }
        seconds = alternate(tasks, chosen.repeats)
    apart = max(
        abs(ours - theirs)
        for name in ("peer", "one-thread")
        for ours, theirs in zip(rewards["ours"], rewards[name], strict=True)
    )
    if apart > _ROUNDING:
        raise SystemExit(f"both runs should find the same, and their rewards differ by {apart:.3f}")
    sizes = {"processes": chosen.processes, **dict(part.split("=", 1) for part in (*SIZES, *chosen.set))}
    found = Result("processes", seconds, sizes, chosen.threads, None, {"most_difference_of_a_reward": apart})
    report(found, chosen.json)


def evolve(out: Path, threads: int, *arguments: str) -> None:
    """The program, in processes of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "visplay", "evolve", "--out", str(out), *arguments]
    subprocess.run(command, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main()
