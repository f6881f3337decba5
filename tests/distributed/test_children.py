"""What this program starts ends with it, sees no Ctrl-C, and takes no code from the working directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process_tree import running
from visplay.distributed import children
from visplay.distributed.children import end, start

SOURCES = str(Path(__file__).parents[2] / "src")
CHILD = """
import os, time
from visplay.distributed.children import end_with_parent
end_with_parent()
print(os.getpid(), "VISPLAY_PARENT" in os.environ, flush=True)
time.sleep(60)
"""
PARENT = f"""
import os, subprocess, sys
subprocess.run([sys.executable, "-c", {CHILD!r}], env={{**os.environ, "VISPLAY_PARENT": str(os.getpid())}})
"""


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", SOURCES)


def python(program: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program], env=os.environ | environment, stdout=subprocess.PIPE)


def wait_for_the_end(processes: set[int]) -> set[int]:
    """Those that still run after some seconds."""
    deadline = time.monotonic() + 10
    while (left := running(processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


@pytest.mark.usefixtures("path")
def test_a_child_is_killed_with_its_parent() -> None:
    parent = python(PARENT)
    assert parent.stdout is not None
    child, marked = parent.stdout.readline().split()
    assert marked == b"False" and running({int(child)})  # what the child starts has another parent
    parent.kill()
    parent.wait()
    assert wait_for_the_end({int(child)}) == set()


@pytest.mark.usefixtures("path")
def test_a_child_whose_parent_has_gone_already_ends_at_once() -> None:
    other = python("")
    other.wait()
    child = python(CHILD, VISPLAY_PARENT=str(other.pid))
    assert child.communicate(timeout=30) == (b"", None) and child.returncode == 1


@pytest.mark.usefixtures("path")
def test_no_file_of_the_working_directory_becomes_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("yaml", "argparse", "visplay"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'touched')!r}, 'w')\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    child = start(["--version"], {})
    assert child.wait(60) == 0 and not (tmp_path / "touched").exists()
    # Unless this process was started so that they do.
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    child = start(["--version"], {})
    assert child.wait(60) == 9 and (tmp_path / "touched").exists()


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    process = python(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    assert process.stdout is not None and process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_what_does_not_end_is_killed(stubborn: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_GRACE_S", 0.2)
    willing, over = python("import time; time.sleep(60)"), python("")
    over.wait()
    end([stubborn, willing, over])
    assert stubborn.returncode == -signal.SIGKILL
    assert willing.returncode == -signal.SIGTERM
    assert over.returncode == 0


@pytest.mark.usefixtures("path")
def test_a_child_sees_no_interrupt_and_this_process_still_does() -> None:
    child = start(["doctor"], {})
    child.send_signal(signal.SIGSTOP)
    blocked = next(
        line for line in Path(f"/proc/{child.pid}/status").read_text().splitlines() if line.startswith("SigBlk")
    )
    child.kill()
    child.wait()
    assert int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
