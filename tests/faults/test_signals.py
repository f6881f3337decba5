"""Signals at seeded moments, from the first import to the end of a run: one line, the exit status, nothing held."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.test_interrupts import start
from visplay.cli.interrupts import SIGNALS
from visplay.cli.main import main
from visplay.lab.drawings import drawings
from visplay.runs import in_use
from visplay.selfplay import run as _warm  # noqa: F401  a forked run begins without its imports

pytestmark = pytest.mark.faults
MORE = 5 if os.environ.get("LONG") else 1
TINY = [
    *("--iterations=1", "--set=questioner.steps=2", "--set=questioner.images_per_step=2"),
    *("--set=questioner.group_size=2", "--set=questioner.votes=2", "--set=silver.votes=2"),
    *("--set=silver.gates=[answered]", "--set=reasoner.steps=2", "--set=reasoner.questions_per_step=2"),
    *("--set=reasoner.group_size=2", "--set=evaluation.suites=[]", "--set=acceptance.images=2"),
]


def test_while_the_program_starts(tmp_path: Path) -> None:
    random_, seen = random.Random(18), Counter[str]()
    for number in range(15 * MORE):
        wanted = SIGNALS[number % len(SIGNALS)]
        process = start("components", folder=tmp_path)
        time.sleep(random_.random() * 0.6)
        process.send_signal(wanted)
        output, error = process.communicate(timeout=60)
        if process.returncode == 0:
            seen["finished before"] += 1
            assert output and error == ""
        else:
            seen[wanted.name] += 1
            assert process.returncode == 128 + wanted, error
            assert error == "visplay components: interrupted; the same command starts over\n"
    print(f"{15 * MORE} signals while the program starts: {dict(seen)}")
    assert sum(seen.values()) - seen["finished before"] >= 5


def test_before_python_has_started_there_is_no_traceback(tmp_path: Path) -> None:
    for number in range(5):
        process = subprocess.Popen([sys.executable, "-m", "visplay", "components"], stdout=-3, stderr=-1, cwd=tmp_path)
        time.sleep(number * 0.005)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGTERM, 143, 0) and b"Traceback" not in error


def forked(words: list[str], log: Path) -> int:
    """The id of a process that runs `visplay WORDS` with what this one has imported already."""
    child = os.fork()
    if child:
        return child
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = ["visplay", *words]
    status = 99
    try:
        status = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_while_a_run_goes(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for image in drawings("single", 8, 0)[0]:
        image.load().save(images / f"{image.id.rpartition('/')[2]}.png")
    run, log = tmp_path / "run", tmp_path / "log.txt"
    begin = ["evolve", "--images", str(images), *TINY, "--out", str(run)]
    begun = time.monotonic()
    assert ended(forked(["evolve", "--images", str(images), *TINY, "--out", str(tmp_path / "whole")], log)) in (0, 3)
    seconds = time.monotonic() - begun
    random_, seen = random.Random(18), Counter[str]()
    for number in range(9 * MORE):
        wanted = SIGNALS[number % len(SIGNALS)]
        resumes = (run / "config.yaml").exists()
        child = forked(["evolve", "--resume", "--out", str(run)] if resumes else begin, log)
        time.sleep(random_.random() * seconds * 0.6)
        os.kill(child, wanted)
        status, text = ended(child), log.read_text()
        assert "Traceback" not in text, text
        if status in (0, 3):
            seen["finished before"] += 1
            continue
        seen[wanted.name] += 1
        assert status == 128 + wanted, text
        line = text.strip().splitlines()[-1]
        if (run / "config.yaml").exists():
            assert line == f"visplay evolve: interrupted; continue with visplay evolve --resume --out {run}"
        else:
            assert line == f"visplay evolve: interrupted; no run was begun in {run}; the same command begins it"
        assert not in_use(run) and not list(run.glob("failure.json"))
    print(f"{9 * MORE} signals while a run goes: {dict(seen)}")
    assert sum(seen.values()) - seen["finished before"] >= 3
    assert ended(forked(["evolve", "--resume", "--out", str(run)] if run.exists() else begin, log)) in (0, 3)

    def figures(folder: Path) -> list[dict[str, object]]:
        return [json.loads(line) | {"time": 0} for line in (folder / "metrics.jsonl").read_text().splitlines()]

    assert figures(run) == figures(tmp_path / "whole")
