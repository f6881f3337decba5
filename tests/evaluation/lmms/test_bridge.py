"""lmms-eval itself asks and scores: its figures are those of a run's table and of our evaluator, item by item.

Run by `make test-eval`; nothing here needs a network, and nothing asks for one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import visplay
from tests.evaluation.truth_table import TruthTable, wording
from visplay.cli.main import main
from visplay.errors import EvaluationError
from visplay.evaluation.lmms.answering import Answerer
from visplay.evaluation.lmms.harness import Harness
from visplay.evaluation.lmms.local import METRIC, task_name, write_tasks
from visplay.evaluation.results import Measurement
from visplay.evaluation.runner import measure
from visplay.interfaces.engine import Sampling
from visplay.lab.suites.tasks import lab_suites
from visplay.roles.prompts import Prompts
from visplay.types import ImageList, Item, Request, Suite

pytestmark = pytest.mark.skipif(find_spec("lmms_eval") is None, reason="lmms-eval is not installed: make test-eval")

ITEMS = 20
SUITES = ["easy_vqa", "easy_vqa_open", "lab/color/pastel", "lab/counting/clean"]
NAMED = ["easy_vqa", "lab/color/pastel", "lab/counting/clean"]
_CALLED: list[Any] = []


def _note(event: str, arguments: Any) -> None:
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        _CALLED.append(arguments)


sys.addaudithook(_note)


@pytest.fixture(autouse=True)
def nothing_is_called() -> Iterator[None]:
    """Whoever opens a connection is found out."""
    del _CALLED[:]
    yield
    assert _CALLED == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One iteration with steps so large that answers change."""
    folder = tmp_path_factory.mktemp("bridge") / "run"
    changes = [
        "questioner.steps=0",
        "silver.images=8",
        "silver.votes=2",
        "silver.gates=[answered]",
        "reasoner.steps=3",
        "reasoner.questions_per_step=8",
        "reasoner.reward=random",
        "grpo.learning_rate=1e-3",
        "evaluation.sampled=false",
        f"evaluation.suites=[{','.join(NAMED)}]",
        f"evaluation.items_per_suite={ITEMS}",
    ]
    settings = [f"--set={change}" for change in changes]
    assert main(["evolve", "--images=lab/clean", "--preset=paper", "--iterations=1", *settings, f"--out={folder}"]) == 0
    return folder


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_run_table_eval_and_lmms_eval_agree_to_the_item(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    capsys.readouterr()
    assert main(["eval", str(run), "--tasks", *NAMED, f"--items={ITEMS}", f"--out={out}"]) == 0
    table = capsys.readouterr().out
    assert main(["eval", str(run), "--base=lab", "--suites", *NAMED, f"--items={ITEMS}", f"--out={out}.json"]) == 0
    ours = json.loads(Path(f"{out}.json").read_text())["suites"]
    in_run = json.loads((run / "summary.json").read_text())["suites"]
    report = json.loads((out / "report.json").read_text())

    assert list(report["tasks"]) == [task_name(suite) for suite in SUITES]
    for label, iteration in (("base", 0), ("evolved", 1)):
        measured = Measurement.load(run / "measurements" / f"iteration-{iteration}.jsonl").greedy
        rows = lines(out / label / "answers.jsonl")
        for suite in SUITES:
            told = {r["item"]: (r["given"], r["correct"]) for r in rows if r["task"] == task_name(suite)}
            assert told == {mark.item_id: (mark.given, mark.correct) for mark in measured[suite].answered}
            figures = report["tasks"][task_name(suite)][label]
            assert figures["n"] == len(told) == ITEMS
            assert figures["lmms_eval"] == {METRIC: pytest.approx(measured[suite].accuracy)}
            assert figures["accuracy"] == measured[suite].accuracy
            for found in (ours[suite], in_run[suite]):
                other = found["base"] if label == "base" else found["iterations"][0]
                assert (other["accuracy"], other["ci95"]) == (figures["accuracy"], figures["ci95"])
                assert other.get("difference") == figures.get("difference")
    # Agreement says something only where the models differ, and where they are neither always right nor always wrong.
    given = [[row["given"] for row in lines(out / label / "answers.jsonl")] for label in ("base", "evolved")]
    assert given[0] != given[1]
    assert any(0 < figures["base"]["accuracy"] < 1 for figures in report["tasks"].values())

    for suite in SUITES:
        [base, evolved] = [line for line in table.splitlines() if line.startswith(task_name(suite) + " ")]
        change = report["tasks"][task_name(suite)]["evolved"]["difference"]["mean"]
        assert base.split()[1:3] == ["20", "base"] and evolved.split()[1:3] == ["20", "evolved"]
        assert f"{100 * change:+.1f} [" in evolved and METRIC in evolved


def test_answers_are_kept_whole_and_a_used_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", "lab", "--tasks", "lab/color/clean", "--items=2", f"--out={tmp_path}"]
    assert main(arguments) == 0
    rows = lines(tmp_path / "model" / "answers.jsonl")
    [suite] = lab_suites(0, 2, ["color"], ["clean"])
    assert [row["item"] for row in rows] == [item.id for item in suite.items]
    for row, item in zip(rows, suite.items, strict=True):
        assert row["prompt"] == item.question and row["target"] == item.answer
        assert f"\\boxed{{{row['given']}}}" in row["text"] and row["scores"] == {METRIC: float(row["correct"])}
    capsys.readouterr()
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"visplay: {tmp_path} is in use; choose a new folder\n"
    assert lines(tmp_path / "model" / "answers.jsonl") == rows


def test_several_images_choices_and_unboxed_answers(tmp_path: Path) -> None:
    one, two = (suite.items[0].image for suite in lab_suites(0, 1, ["color"], ["clean", "pastel"]))
    suite = Suite(
        "mixed",
        (
            Item("both", ImageList.of([one, two]), "colour?", "red"),
            Item("lettered", one, "colour?", "B", ("blue", "red")),
            Item("unboxed", one, "mumble?", "I see."),
            Item("wrong", two, "colour?", "green"),
        ),
    )

    def answer(request: Request, _: Sampling) -> str | None:
        return None if "mumble" in request.prompt else "red"

    ours = measure(TruthTable(answer), [suite], wording, None, sampled=False).greedy["mixed"]
    [name] = write_tasks([suite], tmp_path)
    engine = TruthTable(answer)
    answerer = Answerer(engine, Prompts(reasoner="{question} \\boxed{}"), None, 3)
    [found] = Harness(tmp_path, builtin=False).evaluate(answerer, name, None, tmp_path)
    assert found.marks == ours.marks() == {"both": True, "lettered": True, "unboxed": False, "wrong": False}
    assert found.reported == {METRIC: 0.5}
    parts = {r.id: len(r.image.parts) for requests, _ in engine.calls for r in requests}
    assert list(parts.values()) == [2, 1, 1, 1]
    [cut] = Harness(tmp_path, builtin=False).evaluate(answerer, name, 2, tmp_path)
    assert cut.marks == {"both": True, "lettered": True}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("output_type: multiple_choice", "asks for multiple_choice"),
        ("dataset_path: nobody/nothing", "cannot be loaded"),
        ("test_split: elsewhere", "cannot be loaded"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_model_is_loaded(task: str, message: str, tmp_path: Path) -> None:
    [name] = write_tasks(lab_suites(0, 2, ["color"], ["clean"]), tmp_path)
    key = task.split(":")[0]
    file = tmp_path / f"{name}.yaml"
    kept = [line for line in file.read_text().splitlines() if not line.startswith((key, "generation_kwargs", "  max_"))]
    kept = [line for line in kept if line.strip() not in ("do_sample: false", "whole_text: true")]
    file.write_text("\n".join([*kept, task]) + "\n")
    with pytest.raises(EvaluationError, match=message) as caught:
        Harness(tmp_path, builtin=False).check([name])
    assert "\n" not in str(caught.value)


def test_an_unknown_task_is_one_line_with_the_nearest_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "lab", "--tasks", "realworldqaa", f"--out={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("visplay: lmms-eval has no task 'realworldqaa'; is it one of realworldqa")


def test_lmms_evals_own_program_finds_our_models(tmp_path: Path) -> None:
    [suite] = lab_suites(0, ITEMS, ["single"], ["pastel"])
    [name] = write_tasks([suite], tmp_path / "tasks")
    arguments = [
        "--model_args=pretrained=lab",
        f"--tasks={name}",
        f"--include_path={tmp_path / 'tasks'}",
        f"--output_path={tmp_path / 'theirs'}",
    ]
    here = os.environ | {"PYTHONPATH": str(Path(visplay.__file__).parents[1]), "HF_HUB_OFFLINE": "1"}
    program = [sys.executable, "-m", "lmms_eval", "--model=visplay", "--batch_size=1", *arguments]
    done = subprocess.run(program, capture_output=True, text=True, env=here, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    [file] = (tmp_path / "theirs").rglob("*_results.json")
    theirs = json.loads(file.read_text())["results"][name][f"{METRIC},none"]
    assert main(["eval", "lab", "--suites=lab/single/pastel", f"--items={ITEMS}", f"--out={tmp_path / 'o.json'}"]) == 0
    [ours] = json.loads((tmp_path / "o.json").read_text())["suites"]["lab/single/pastel"]["iterations"]
    assert theirs == pytest.approx(ours["accuracy"]) and 0 < theirs < 1
