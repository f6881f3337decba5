"""lmms-eval itself asks and scores: its figures are those of our evaluator, item by item.

Run by `make test-eval`; nothing here needs a network, and nothing asks for one.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import visplay
from visplay.cli.main import main
from visplay.errors import EvaluationError
from visplay.evaluation.lmms import evaluate
from visplay.evaluation.lmms.harness import Harness
from visplay.evaluation.results import Measurement
from visplay.evaluation.statistics import paired_difference, wilson_interval
from visplay.lab.suites.tasks import lab_suites
from visplay.types import ImageRef, Item

pytestmark = pytest.mark.skipif(find_spec("lmms_eval") is None, reason="lmms-eval is not installed: make test-eval")

ITEMS = 20
TASK = """\
task: made_up
dataset_path: parquet
dataset_kwargs: {data_files: {test: made_up.parquet}}
test_split: test
output_type: generate_until
doc_to_visual: !function made_up.images
doc_to_text: !function made_up.text
doc_to_target: answer
process_results: !function made_up.score
generation_kwargs: {max_new_tokens: 16}
metric_list: [{metric: accuracy, aggregation: mean, higher_is_better: true}]
"""
FUNCTIONS = """
def images(doc):
    return [doc["image"]]


def text(doc, *_):
    return doc["question"]


def score(doc, results):
    return {"accuracy": float(results[0].strip() == doc["answer"])}
"""
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
        "rl.learning_rate=1e-3",
        "evaluation.suites=[]",
    ]
    settings = [f"--set={change}" for change in changes]
    assert (
        main(["evolve", "--images=lab/clean", "--preset=paper-lab", "--iterations=1", *settings, f"--out={folder}"])
        == 0
    )
    return folder


@pytest.fixture(scope="module")
def items() -> list[Item]:
    """Questions about the lab's colors, which the tiny model answers in words."""
    [suite] = lab_suites(0, ITEMS, ["color"], ["pastel"])
    return list(suite.items)


def write_task(folder: Path, items: list[Item], *changes: str) -> None:
    """The task `made_up`, which is right where the answer is the reference to the letter."""
    from datasets import Dataset, Image

    docs = [{"image": item.image.load(), "question": item.question, "answer": item.answer} for item in items]
    folder.mkdir(exist_ok=True)
    Dataset.from_list(docs).cast_column("image", Image()).to_parquet(folder / "made_up.parquet")
    (folder / "made_up.py").write_text(FUNCTIONS)
    changed = tuple(change.split(":")[0] for change in changes)
    kept = [line for line in TASK.splitlines() if not (changed and line.startswith(changed))]
    (folder / "made_up.yaml").write_text("\n".join([*kept, *changes]) + "\n")


@pytest.fixture
def made_up(tmp_path: Path, items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """`visplay eval` finds the task `made_up`."""
    write_task(tmp_path / "tasks", items)
    monkeypatch.setattr(evaluate, "Harness", partial(Harness, folder=tmp_path / "tasks"))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_lmms_eval_and_our_evaluator_agree_to_the_item(
    run: Path, items: list[Item], made_up: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = tmp_path / "out", tmp_path / "same.jsonl"
    labelled = [{"image": stored(i.image), "question": i.question, "answer": i.answer} for i in items]
    data.write_text("".join(json.dumps(row) + "\n" for row in labelled))
    capsys.readouterr()
    assert main(["eval", str(run), "--tasks", "made_up", f"--out={out}"]) == 0
    table = capsys.readouterr().out
    assert main(["eval", str(run), "--base=lab", f"--data={data}", f"--out={out}.json"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert (report["model"], report["base"], list(report["tasks"])) == (str(run), "lab", ["made_up"])

    marks = {}
    for label, answers in (("base", "out.base.answers.jsonl"), ("evolved", "out.answers.jsonl")):
        found = lines(out / label / "answers.jsonl")
        [measured] = Measurement.load(tmp_path / answers).greedy.values()
        assert [row["given"] for row in found] == [mark.given for mark in measured.answered]
        boxed = [
            (row["correct"], mark.correct) for row, mark in zip(found, measured.answered, strict=True) if mark.given
        ]
        assert boxed and all(theirs == ours for theirs, ours in boxed)
        marks[label] = {row["item"]: row["correct"] for row in found}
        figures = report["tasks"]["made_up"][label]
        right = sum(marks[label].values())
        assert figures["n"] == len(found) == ITEMS
        assert figures["accuracy"] == pytest.approx(right / ITEMS)
        assert figures["lmms_eval"] == {"accuracy": pytest.approx(right / ITEMS)}
        assert figures["ci95"] == list(wilson_interval(right, ITEMS))
    # Agreement says something only where the models differ, and where they are neither always right nor always wrong.
    given = [[row["given"] for row in lines(out / label / "answers.jsonl")] for label in ("base", "evolved")]
    assert given[0] != given[1]
    assert any(0 < sum(each.values()) < ITEMS for each in marks.values())

    difference = paired_difference(marks["base"], marks["evolved"], {})
    told = report["tasks"]["made_up"]["evolved"]["difference"]
    assert told == asdict(difference) | {"ci95": list(difference.ci95)}
    [base, evolved] = [line for line in table.splitlines() if line.startswith("made_up ")]
    assert base.split()[1:3] == ["20", "base"] and evolved.split()[1:3] == ["20", "evolved"]
    assert f"{100 * difference.mean:+.1f} [" in evolved and "accuracy" in evolved


def stored(image: ImageRef) -> str:
    assert isinstance(image.data, bytes)
    return base64.b64encode(image.data).decode()


def test_answers_are_kept_whole_and_a_used_folder_is_refused(
    items: list[Item], made_up: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["eval", "lab", "--tasks", "made_up", "--items=2", f"--out={out}"]
    assert main(arguments) == 0
    found = lines(out / "model" / "answers.jsonl")
    assert [row["item"] for row in found] == ["made_up/0", "made_up/1"]
    for answer, item in zip(found, items, strict=False):
        assert answer["prompt"] == item.question and answer["target"] == item.answer
        assert f"\\boxed{{{answer['given']}}}" in answer["text"]
        assert answer["scores"] == {"accuracy": float(answer["correct"])}
    capsys.readouterr()
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"visplay: {out} is in use; choose a new folder\n"
    assert lines(out / "model" / "answers.jsonl") == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("output_type: multiple_choice", "asks for multiple_choice"),
        ("dataset_path: nobody/nothing", "cannot be loaded"),
        ("test_split: elsewhere", "cannot be loaded"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_model_is_loaded(
    change: str, message: str, items: list[Item], tmp_path: Path
) -> None:
    write_task(tmp_path, items[:2], change)
    with pytest.raises(EvaluationError, match=message) as caught:
        Harness(["made_up"], tmp_path)
    assert "\n" not in str(caught.value)


def test_an_unknown_task_is_one_line_with_the_nearest_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "lab", "--tasks", "realworldqaa", f"--out={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("visplay: lmms-eval has no task 'realworldqaa'; is it one of realworldqa")


def test_lmms_evals_own_program_finds_our_models(items: list[Item], made_up: None, tmp_path: Path) -> None:
    arguments = [
        "--model_args=pretrained=lab",
        "--tasks=made_up",
        f"--include_path={tmp_path / 'tasks'}",
        f"--output_path={tmp_path / 'theirs'}",
    ]
    here = os.environ | {"PYTHONPATH": str(Path(visplay.__file__).parents[1]), "HF_HUB_OFFLINE": "1"}
    program = [sys.executable, "-m", "lmms_eval", "--model=visplay", "--batch_size=1", *arguments]
    done = subprocess.run(program, capture_output=True, text=True, env=here, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    [file] = (tmp_path / "theirs").rglob("*_results.json")
    theirs = json.loads(file.read_text())["results"]["made_up"]["accuracy,none"]
    assert main(["eval", "lab", "--tasks=made_up", f"--out={tmp_path / 'ours'}"]) == 0
    ours = json.loads((tmp_path / "ours" / "report.json").read_text())["tasks"]["made_up"]["model"]
    assert theirs == pytest.approx(ours["accuracy"]) and 0 < theirs < 1
