"""Each benchmark runs, at sizes that measure nothing, and ends with the figures it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
SMALL = {
    "diversity": ["--questions", "64", "--peer-questions", "32"],
    "rollout": ["--image-tokens", "16", "--questions", "2", "--votes", "2", "--tokens", "3"],
    "update": ["--image-tokens", "16", "--group", "2", "--tokens", "4", "--no-memory", "--no-checkpointed", "--kl"],
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_compares_and_tells(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", "--threads", "1", "--repeats", "1", *SMALL[name]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["benchmark"] == name
    assert found["ratio"] == pytest.approx(found["peer_seconds"] / found["ours_seconds"])
    assert found["ours_seconds"] > 0 and found["machine"] and found["versions"]["torch"]
