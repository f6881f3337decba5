"""A whole run whose votes are a real vLLM server's, which is killed in the middle of it and started anew."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_runs import TINY
from tests.vllm.real_server import START_S, Serving, served

if find_spec("vllm") is None:
    pytest.skip("vLLM is not installed; make test-vllm", allow_module_level=True)

# When the first is done, most of the votes are still to be asked for.
STEPS = 4
SMALL = (*TINY, "tune=lora", "lora.rank=2", "evaluation.suites=[]", f"questioner.steps={STEPS}", "device=cpu")


def evolve(run: Path, said: Path, *flags: str) -> subprocess.Popen[bytes]:
    """A run in a process of its own, which leaves what it says in `said`."""
    command = [sys.executable, "-m", "visplay", "evolve", "--out", str(run), *flags]
    with said.open("wb") as output:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output)


def wait_for_a_step(run: Path, process: subprocess.Popen[bytes], server: Serving) -> None:
    """Until the first step is finished."""
    while not lines(run):
        server.check()
        assert process.poll() is None
        time.sleep(0.05)


def lines(run: Path) -> list[str]:
    """Whole lines of its metrics."""
    metrics = run / "metrics.jsonl"
    text = metrics.read_text() if metrics.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def test_a_run_goes_on_where_its_server_was_killed(tmp_path: Path) -> None:
    run, adapters, said = tmp_path / "run", tmp_path / "adapters", tmp_path / "said"
    with served(tmp_path / "first.log") as first:
        url = first.url
        server = f"{{type: server, url: '{url}', adapters: '{adapters}', wait_s: {START_S}, retries: 2}}"
        settings = [argument for flag in (*SMALL, f"vote_engine={server}") for argument in ("--set", flag)]
        process = evolve(run, said, "--preset", "paper-lab", "--images", "lab/clean", *settings)
        wait_for_a_step(run, process, first)
        first.kill()
        assert process.wait(timeout=120) == 2
    error = said.read_text()
    last = error.splitlines()[-1]
    assert last.startswith("visplay: ") and all(part in last for part in (url, "went away", "--resume"))
    assert "Traceback" not in error
    done = lines(run)
    print(f"{len(done)} steps done when the server was killed; {last}")
    assert not list(adapters.iterdir()) and not (run / "summary.json").exists()

    # The same address, as the run knows no other; it waits until the server is there.
    with served(tmp_path / "second.log", first.port) as second:
        process = evolve(run, said, "--resume")
        while process.poll() is None:
            second.check()
            time.sleep(0.5)
        assert process.returncode == 0, said.read_text()[-3000:]
        assert second.models() == ["lab"] and not list(adapters.iterdir())
    all_lines = lines(run)
    assert 0 < len(done) < len(all_lines) and all_lines[: len(done)] == done
    found: list[dict[str, Any]] = [json.loads(line) for line in all_lines]
    assert Counter(line["phase"] for line in found) == {"questioner": STEPS, "silver": 1, "reasoner": 2}
    steps = [(line["phase"], line.get("step")) for line in found]
    assert len(set(steps)) == len(steps)
    assert (run / "summary.json").exists() and all((run / role).is_dir() for role in ("questioner", "reasoner"))
