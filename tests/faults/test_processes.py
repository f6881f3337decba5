"""Nothing listens beyond the loopback interface, and no process outlives the one that started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from tests.process_tree import Address, below, beyond_loopback, listening, running
from tests.real_processes import visplay
from tests.tiny_runs import FLAGS, TINY, tiny_run
from visplay.runs.directory import in_use

pytestmark = pytest.mark.faults
_LONGEST_S = 300.0


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """The programs of a test; none of their processes is left when it ends."""
    programs: list[subprocess.Popen[str]] = []
    yield programs
    for program in programs:
        for process in below(program.pid):
            os.kill(process, signal.SIGKILL)
        program.wait()


def until(holds: Callable[[], bool], seconds: float = _LONGEST_S) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def steps(run: Path) -> int:
    """Lines of a run's metrics."""
    file = run / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def outer_interface() -> str:
    """An interface that is not the loopback's, if there is one."""
    return next((name for _, name in socket.if_nameindex() if not name.startswith("lo")), "lo")


def seen_while(program: subprocess.Popen[str], holds: Callable[[], bool]) -> set[Address]:
    """All addresses at which the program and what it starts listen, looked up again and again."""
    seen = set[Address]()
    deadline = time.monotonic() + _LONGEST_S
    while holds():
        assert time.monotonic() < deadline, "the program takes too long"
        seen |= listening(below(program.pid))
        time.sleep(0.05)
    return seen


def of_two(run: Path, *flags: str, **environment: str) -> subprocess.Popen[str]:
    """The folder in which its processes meet is left behind when it is killed, beside the run."""
    return visplay(*FLAGS, "--processes", "2", "--out", str(run), *flags, **{"TMPDIR": str(run.parent), **environment})


def test_a_run_of_several_processes_listens_on_loopback_alone(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """Also where the environment names another interface, as on a machine of a cluster."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    outer = {"GLOO_SOCKET_IFNAME": outer_interface(), "NCCL_SOCKET_IFNAME": outer_interface()}
    program = of_two(tmp_path / "run", "--set", "tune=lora", TMPDIR=str(temporary), **outer)
    started.append(program)
    modes = set[str]()

    def goes_on() -> bool:
        modes.update(f"{folder.stat().st_mode:o}" for folder in temporary.glob("visplay-*"))
        return program.poll() is None

    seen = seen_while(program, goes_on)
    assert program.returncode == 0, program.stderr
    assert seen and beyond_loopback(seen) == set()
    assert modes == {"40700"} and not list(temporary.glob("visplay-*"))


def test_the_page_listens_on_loopback_alone(tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    run = tiny_run(tmp_path / "run")
    program = visplay("watch", str(run), "--port", "0")
    started.append(program)
    assert program.stdout is not None
    address = program.stdout.readline().split(" at ")[1].split()[0]
    with urlopen(address, timeout=30) as page:
        assert page.status == 200
    seen = listening(below(program.pid))
    assert seen and beyond_loopback(seen) == set()


def test_parallel_runs_of_the_lab_listen_nowhere_else_and_end_with_their_parent(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    matrix = {"preset": "paper-lab", "seeds": [0, 1], "recipes": {"one": {}}}
    changes = dict(setting.split("=", 1) for setting in TINY) | {"images": "lab/clean"}
    matrix["settings"] = {key: yaml.safe_load(value) for key, value in changes.items()}
    matrix["settings"] |= {"evaluation.suites": ["lab/color"], "evaluation.items_per_suite": 2}
    file, out = tmp_path / "matrix.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(matrix))
    program = visplay("lab", "ablate", str(file), "--out", str(out), "--processes", "2")
    started.append(program)
    runs = [out / "one" / f"seed-{seed}" for seed in (0, 1)]
    seen = seen_while(program, lambda: program.poll() is None and not all(map(steps, runs)))
    assert program.poll() is None, "the runs ended before both were seen"
    assert beyond_loopback(seen) == set()
    everyone = below(program.pid)
    assert len(everyone) == 3
    program.kill()
    program.wait()
    assert until(lambda: not running(everyone), 10)
    assert not any(map(in_use, runs))


# What has happened when the launcher is killed.
MOMENTS: dict[str, Callable[[subprocess.Popen[str], Path], bool]] = {
    "one process is there": lambda program, _: len(below(program.pid)) > 1,
    "they have met": lambda program, _: bool(listening(below(program.pid))),
    "the run has begun": lambda _, run: (run / "config.yaml").exists(),
    "three steps are done": lambda _, run: steps(run) > 2,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_process_outlives_a_killed_launcher(
    moment: str, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    run = tmp_path / "run"
    program = of_two(run)
    started.append(program)
    assert until(lambda: MOMENTS[moment](program, run) or program.poll() is not None) and program.poll() is None
    everyone = below(program.pid)
    program.kill()
    program.wait()
    assert until(lambda: not running(everyone), 10)
    # A child of the last instant had no time to be seen above; nothing writes to the run any more.
    before = steps(run)
    time.sleep(1)
    assert steps(run) == before and not (run.exists() and in_use(run))


@pytest.mark.parametrize(
    ("rank", "number"),
    [(0, signal.SIGKILL), (0, signal.SIGTERM), (0, signal.SIGSEGV), (1, signal.SIGKILL)],
    ids=["0-SIGKILL", "0-SIGTERM", "0-SIGSEGV", "1-SIGKILL"],
)
def test_a_process_that_dies_ends_the_run_and_is_named(
    rank: int, number: signal.Signals, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    run, temporary = tmp_path / "run", tmp_path / "temporary"
    temporary.mkdir()
    program = of_two(run, TMPDIR=str(temporary))
    started.append(program)
    assert until(lambda: steps(run) > 0)
    everyone = below(program.pid)
    os.kill(next(process for process in everyone if rank_of(process) == str(rank)), number)
    _, told = program.communicate(timeout=60)
    assert program.returncode == 2
    assert told.startswith(f"visplay: process {rank + 1} of 2 ") and told.count("\n") == 1, told
    assert not running(everyone) and list(temporary.iterdir()) == [] and not in_use(run)


def rank_of(process: int) -> str:
    variables = Path(f"/proc/{process}/environ").read_text().split("\0")
    return dict(part.partition("=")[::2] for part in variables).get("RANK", "")


@pytest.mark.parametrize(
    ("number", "to_all"), [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)], ids=str
)
def test_a_stopped_run_says_one_line_and_leaves_nobody(
    number: signal.Signals, to_all: bool, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    """Ctrl-C reaches every process of the terminal."""
    run = tmp_path / "run"
    program = of_two(run)
    started.append(program)
    assert until(lambda: steps(run) > 0)
    everyone = below(program.pid)
    (os.killpg if to_all else os.kill)(program.pid, number)
    _, told = program.communicate(timeout=60)
    assert program.returncode != 0 and told.count("\n") <= 1 and "Traceback" not in told, told
    if number is signal.SIGINT:
        assert program.returncode == 130 and told.startswith("visplay evolve: interrupted")
    assert until(lambda: not running(everyone), 10)
