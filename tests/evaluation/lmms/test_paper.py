"""What the paper's group would need, told without lmms-eval, and what is refused before anything is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import pytest

import visplay
from visplay.cli.main import main
from visplay.evaluation.lmms.paper import PAPER, judged_without_a_key


def test_a_dry_run_names_data_sizes_and_judges_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "lab", "--tasks", "paper", "lab/single/clean", "gqa", "--items", "7", "--dry-run"]) == 0
    told = capsys.readouterr().out
    rows = {line.split()[0]: line for line in told.splitlines() if line}
    assert [b.title for b in PAPER] == [name for name in rows if name in {b.title for b in PAPER}]
    assert len(PAPER) == 8
    for b in PAPER:
        assert all(part in rows[b.title] for part in (b.task, b.dataset, f"{b.items:,}", b.judge or "none"))
    assert "visplay_lab_single_clean: 7 items" in told and "gqa: what lmms-eval's task file says" in told
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_imports_neither_lmms_eval_nor_a_model_library() -> None:
    code = (
        "import sys; from visplay.evaluation.lmms.paper import paper_lines; list(paper_lines());"
        "print(*(name for name in ('lmms_eval', 'torch', 'datasets') if name in sys.modules))"
    )
    here = os.environ | {"PYTHONPATH": str(Path(visplay.__file__).parents[1])}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=here)
    assert shown.stdout.split() == []


def test_what_lmms_eval_lacks_is_shipped() -> None:
    shipped = {
        file.name.removesuffix(".yaml") for file in (resources.files("visplay.evaluation.lmms") / "tasks").iterdir()
    }
    assert shipped == {b.task for b in PAPER if b.shipped}


@pytest.mark.parametrize(
    ("environment", "unjudged"),
    [
        ({}, ["mmvet", "mathverse_testmini", "hallusion_bench_image"]),
        ({"OPENAI_API_KEY": ""}, ["mmvet", "mathverse_testmini", "hallusion_bench_image"]),
        ({"OPENAI_API_KEY": "key"}, []),
        ({"API_TYPE": "azure", "AZURE_API_KEY": "key"}, []),
    ],
)
def test_a_judge_without_a_key_is_noticed(environment: dict[str, str], unjudged: list[str]) -> None:
    assert judged_without_a_key([b.task for b in PAPER], environment) == unjudged
    assert judged_without_a_key(["mmstar", "gqa"], environment) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "lab/single", "--items", "0", "--out", "o"], "--items must be at least 1"),
        (["--tasks", "lab/single"], "--out is missing"),
        (["--suites", "lab", "--out", "o", "--dry-run"], "--dry-run is for --tasks"),
        (["--tasks", "lab/knitting", "--dry-run"], "no suite 'lab/knitting'"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "lab", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("visplay: ") and error.count("\n") == 1 and message in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(find_spec("lmms_eval") is not None, reason="lmms-eval is installed")
def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "lab", "--tasks", "easy_vqa", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "visplay: --tasks needs lmms-eval; pip install 'visplay[eval]'\n"
    assert not (tmp_path / "out").exists()
