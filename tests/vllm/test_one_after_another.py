"""Several vLLMs in one process, one after another: a base and a run scored, runs compared. Run by `make test-vllm`."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tiny_runs import tiny_run
from visplay.cli.main import main
from visplay.evaluation.results import Measurement

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: make test-vllm")

# Two updates at this rate change greedy answers.
CHANGES = ("tune=lora", "engine=vllm", "device=cpu", "rl.learning_rate=1e-2")
ASKED = ("--suites", "lab/single/pastel", "--items", "12")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It evolved with vLLM in this very process, which takes its share of all memory, twice over if it is not freed."""
    return tiny_run(tmp_path_factory.mktemp("runs") / "run", *CHANGES)


def visplay(*arguments: str, temporary: Path) -> str:
    """What it prints; nothing stays in its temporary folder."""
    temporary.mkdir()
    command = [sys.executable, "-m", "visplay", *arguments]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not list(temporary.glob("visplay-vllm-*"))
    return done.stdout


def test_a_run_is_scored_beside_its_base(run: Path, tmp_path: Path) -> None:
    scored = ["eval", str(run), "--base", "lab", *ASKED]
    visplay(*scored, "--engine", "vllm", "--out", str(tmp_path / "vllm.json"), temporary=tmp_path / "tmp")
    assert main([*scored, "--engine", "transformers", "--out", str(tmp_path / "transformers.json")]) == 0
    said = {}
    for whose in ("answers", "base.answers"):
        vllm, hf = (
            [mark.text for mark in Measurement.load(tmp_path / f"{engine}.{whose}.jsonl").greedy[ASKED[1]].answered]
            for engine in ("vllm", "transformers")
        )
        assert len(vllm) == 12 and vllm == hf
        said[whose] = vllm
    # The second vLLM has weights of its own.
    assert said["answers"] != said["base.answers"]


def test_runs_are_compared(run: Path, tmp_path: Path) -> None:
    told = visplay("compare", str(run), str(run), *ASKED, "--markdown", temporary=tmp_path / "tmp")
    assert told.count(str(run)) >= 2
