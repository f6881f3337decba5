"""The paper's group of tasks, and what is refused before anything is loaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from visplay.cli.main import main
from visplay.errors import EvaluationError
from visplay.evaluation.lmms.harness import SHIPPED
from visplay.evaluation.lmms.paper import JUDGED, TASKS, check_judges


def test_the_documentation_has_a_row_for_each_task() -> None:
    page = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ") and "`" in line]
    judges = {cells[2].split("`")[1]: cells[6].strip() for cells in rows if len(cells) > 6}
    assert tuple(judges) == TASKS
    assert tuple(task for task, judge in judges.items() if judge != "none") == JUDGED
    assert {file.stem for file in SHIPPED.glob("*.yaml")} == {
        cells[2].split("`")[1] for cells in rows if "ours" in cells[2]
    }


@pytest.mark.parametrize(
    ("environment", "refused"),
    [
        ({}, True),
        ({"OPENAI_API_KEY": ""}, True),
        ({"OPENAI_API_KEY": "key"}, False),
        ({"API_TYPE": "azure", "AZURE_API_KEY": "key"}, False),
    ],
)
def test_a_judge_without_a_key_is_noticed(
    environment: dict[str, str], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_API_KEY", "API_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    check_judges(["mmstar", "gqa"])
    if refused:
        with pytest.raises(EvaluationError, match="mmvet, mathverse_testmini, hallusion_bench_image: lmms-eval asks"):
            check_judges(TASKS)
    else:
        check_judges(TASKS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "gqa", "--items", "0", "--out", "o"], "--items must be at least 1"),
        (["--tasks", "gqa"], "--out is missing"),
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
    assert main(["eval", "lab", "--tasks", "mmstar", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "visplay: --tasks needs lmms-eval; pip install 'visplay[eval]'\n"
    assert not (tmp_path / "out").exists()
