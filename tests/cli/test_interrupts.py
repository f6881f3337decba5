"""What an interrupted command says: the command, its directory, and how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from visplay.cli import program
from visplay.cli.interrupts import interrupted_line
from visplay.cli.main import main


def handles_signals(process: subprocess.Popen[str]) -> bool:
    """Whether the process has a handler for SIGTERM, by /proc."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt")), 0)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def start(*words: str, folder: Path) -> subprocess.Popen[str]:
    """`visplay WORDS`, once it handles signals."""
    process = subprocess.Popen(
        [sys.executable, "-m", "visplay", *words], cwd=folder, stdout=-1, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not handles_signals(process):
        time.sleep(0.001)
    return process


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["evolve", "--out", "run"], "visplay evolve: interrupted; continue with visplay evolve --resume --out run"),
        (
            ["evolve", "--ou=my run"],
            "visplay evolve: interrupted; continue with visplay evolve --resume --out 'my run'",
        ),
        (
            ["evolve", "--out", "new"],
            "visplay evolve: interrupted; no run was begun in new; the same command begins it",
        ),
        (["evolve"], "visplay evolve: interrupted; no run was begun; the same command begins it"),
        (["lab", "score", "--out=o"], "visplay lab score: interrupted; the same command continues in o"),
        (
            ["watch", "--port", "0", "run"],
            "visplay watch: interrupted; the page of run is closed, the run is as it was",
        ),
        (
            ["eval", "lab", "--out", "a.json"],
            "visplay eval: interrupted; nothing half-written is in a.json; the same command starts over",
        ),
        (["ask", "lab", "x.png"], "visplay ask: interrupted; the same command starts over"),
        (
            ["report", "run", "--to", "\x1b[31m"],
            r"visplay report: interrupted; nothing half-written is in '\x1b[31m'; the same command starts over",
        ),
        ([], "visplay: interrupted; the same command starts over"),
    ],
)
def test_the_line_names_command_and_directory(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("run", "my run"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert interrupted_line(words) == told


def test_every_command_is_interrupted_with_its_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    needs = {
        "evolve": ["--out", "o"],
        "eval": ["lab", "--suites", "lab"],
        "compare": ["a"],
        "ask": ["lab", "a"],
        "watch": ["r"],
        "report": ["r", "--to", "t"],
        "export": ["r", "--role", "reasoner", "--to", "t"],
        "plan": ["lab"],
        "lab": ["score", "--out", "o"],
    }
    for name, (module, _) in program.COMMANDS.items():
        monkeypatch.setattr(module, "run", stop)
        assert main([name, *needs.get(name, [])]) == 130
        assert capfd.readouterr().err.startswith(f"visplay {name}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_imports_is_one_line(number: signal.Signals, tmp_path: Path) -> None:
    process = start("evolve", "--out", "run", folder=tmp_path)
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert process.stderr is not None
    line = "visplay evolve: interrupted; no run was begun in run; the same command begins it\n"
    assert process.stderr.read() == line
    assert list(tmp_path.iterdir()) == []


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); sys.argv = ['visplay', '--version']\n"
        "from visplay.cli import interrupts; interrupts.install([])\n"
        "assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=dict(os.environ)).returncode == 0


SLOW_END = """
import sys, time
from visplay.cli import interrupts
interrupts.install(["evolve"])
interrupts.unwind_from_here()
try:
    print("ready", flush=True)
    time.sleep(30)
finally:
    print("closing", flush=True)
    time.sleep(30)
"""


def test_a_second_signal_ends_at_once_but_a_doubled_one_is_one() -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW_END], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # as `timeout` does: to the process, and to its group
    assert process.stdout.readline() == "closing\n"
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
