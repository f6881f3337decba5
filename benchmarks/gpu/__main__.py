"""The command: runs the parts, then prints and writes the tables."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from benchmarks.gpu.findings import LINES, read
from benchmarks.gpu.parts import BY_NAME, PARTS
from benchmarks.gpu.runner import PARTS_FILE, run_parts
from benchmarks.gpu.tables import disagreements, tables


def main() -> int:
    """Measure; 1 if a part did not end, or if something does not agree that must."""
    args = _options()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    if (out / LINES).exists():
        sys.exit(f"benchmarks.gpu: '{out}' has findings already; name another folder by --out")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the parts are ended then
    chosen = [part for part in PARTS if not args.only or part.name in args.only]
    run_parts(chosen, args.budget, args.size, out.resolve())
    lines, parts = read(out / LINES), read(out / PARTS_FILE)
    text = tables(lines, parts)
    (out / "tables.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nfindings: {out}")
    return int(not all(part["ok"] for part in parts) or bool(disagreements(lines)))


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    options.add_argument("--budget", type=float, default=470.0, help="seconds for all parts (default %(default)s)")
    options.add_argument("--only", type=_parts, default=[], metavar="PART,PART", help=f"of {', '.join(BY_NAME)}")
    options.add_argument(
        "--size",
        default="",
        choices=("tiny", "3b", "7b"),
        help="of the model that updates and rollouts are timed with (default 3b); tiny: try everything on a CPU",
    )
    default = Path(f"runs/gpu-{time.strftime('%Y%m%d-%H%M%S')}")
    options.add_argument(
        "--out", type=Path, default=default, help="a new folder for the findings (default %(default)s)"
    )
    return options.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in BY_NAME]:
        raise argparse.ArgumentTypeError(f"there is no part '{unknown[0]}'; there are {', '.join(BY_NAME)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
