"""A wrong path is refused in one line before any library that computes is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# The last line of standard output: which of these libraries the command imported.
PROGRAM = """
import sys
from visplay.cli.main import main
try:
    status = main(sys.argv[1:])
except SystemExit as exit:
    status = exit.code
print(sorted({"torch", "transformers", "peft", "accelerate"} & sys.modules.keys()))
sys.exit(status)
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "NOSUCH"], "no model folder 'NOSUCH'"),
        (["export", "NOSUCH", "--role", "reasoner", "--to", "x"], "no run at NOSUCH"),
        (["watch", "NOSUCH"], "no run at NOSUCH"),
        (["report", "NOSUCH", "--to", "x.html"], "no run at NOSUCH"),
        (["compare", "NOSUCH", "NOSUCH2", "--data", "nosuch.jsonl"], "nosuch.jsonl"),
        (["compare", "NOSUCH", "NOSUCH2"], "'NOSUCH' is neither a run nor a report"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_path_is_one_line_without_torch(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("visplay: ") and message in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


def test_help_without_torch(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert "usage: visplay" in done.stdout and done.stdout.splitlines()[-1] == "[]"
