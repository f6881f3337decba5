"""The exit status of every command: 0, 1 for a bad finding, 2 for wrong input, 3 for a run that learned nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from visplay.cli.main import main


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, ["components", "gate"]),
        (0, ["plan", "lab", "--gpu-memory", "24GB"]),
        (1, ["plan", "lab", "--gpu-memory", "0.1GB"]),
        (2, ["plan", "lab", "--gpu-memory", "much"]),
        (2, ["evolve", "--resume", "--out", "nowhere"]),
        (2, ["evolve", "--resume", "--processes", "2", "--out", "nowhere"]),
        (2, ["evolve", "--preset", "none", "--out", "nowhere"]),
        (2, ["eval", "lab", "--suites", "lab"]),
        (2, ["eval", "lab", "--suites", "lab", "--out", "taken.json"]),
        (2, ["eval", "lab", "--tasks", "mmstar", "--force", "--out", "folder"]),
        (2, ["compare", "nowhere", "nowhere"]),
        (2, ["ask", "lab", "nowhere.png"]),
        (2, ["watch", "nowhere"]),
        (2, ["report", "nowhere", "--to", "x.html"]),
        (2, ["export", "nowhere", "--role", "reasoner", "--to", "x"]),
        (2, ["lab", "ablate", "nowhere.yaml", "--out", "x"]),
        (2, ["lab", "score", "--processes", "0", "--out", "x"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_status(
    status: int,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "taken.answers.jsonl").write_text("of another evaluation")
    monkeypatch.chdir(tmp_path)
    assert main(words) == status
    error = capsys.readouterr().err
    assert error.count("\n") == (status == 2) and error.startswith("visplay: " if status == 2 else "")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.answers.jsonl"]


def test_a_wrong_command_line_is_2_and_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["\x1b]0;owned\x07"])
    assert ended.value.code == 2
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["components"], ["components", "gate"], ["plan", "lab", "--gpu-memory", "24GB"]])
def test_an_output_that_cannot_be_written_is_one_line(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "visplay", *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "visplay: no space left on device; mend that, then repeat the command\n"


def test_an_output_that_nobody_reads_is_dropped_in_silence() -> None:
    words, pipe = [sys.executable, "-m", "visplay", "components", "gate"], subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as gone:
        assert gone.stdout is not None and gone.stderr is not None
        gone.stdout.close()
        assert gone.stderr.read() == "" and gone.wait() == 1
