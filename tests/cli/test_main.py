"""The program as a user meets it: real photographs, wrong input, scoring a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from visplay.cli.main import main
from visplay.evaluation.results import Measurement
from visplay.lab.drawings import drawings

TINY = [
    "--iterations=1",
    "--set=questioner.steps=1",
    "--set=questioner.images_per_step=9",  # more than there are
    "--set=questioner.group_size=2",
    "--set=questioner.votes=2",
    "--set=silver.votes=2",
    "--set=silver.gates.band.high=1.0",
    "--set=reasoner.steps=1",
    "--set=reasoner.questions_per_step=2",
    "--set=reasoner.group_size=2",
    "--set=evaluation.suites=[]",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs that scikit-image ships, in the shapes users have them, and one broken file."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "nested").mkdir()
    names = ("astronaut", "coffee", "camera", "chelsea")
    for index, name in enumerate(n for n in names if hasattr(skimage.data, n)):
        try:
            image = Image.fromarray(getattr(skimage.data, name)())
        except Exception:  # the packaged selection differs by release; two are enough
            continue
        if index == 0:
            exif = image.getexif()
            exif[0x0112] = 6
            image.save(folder / f"{name}.jpg", exif=exif)
        elif index == 1:
            image.convert("RGBA").save(folder / "nested" / f"{name}.webp")
        else:
            image.save(folder / "nested" / f"{name}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    assert len([p for p in folder.rglob("*") if p.is_file()]) >= 3
    return folder


def test_a_folder_of_photographs_goes_through_the_whole_loop(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The lab's model has never seen a photograph: it asks little, and no answer is sure.
    assert main(["evolve", "--preset", "facts", "--images", str(photos), *TINY, "--out", str(tmp_path / "run")]) == 3
    told = capsys.readouterr().out
    assert "Result: nothing learned." in told and "Kept for the silver set: 0 of" in told
    assert "broken.jpg" in told and "1 file was skipped" in told
    assert (tmp_path / "run" / "summary.json").exists()


def test_of_images_without_a_known_truth_there_is_a_verdict_but_no_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run = tmp_path / "images", tmp_path / "run"
    folder.mkdir()
    for image in drawings("single", 10, 0)[0]:
        image.load().save(folder / f"{image.id.rpartition('/')[2]}.png")
    held_out = ["--set=acceptance.images=2", "--set=acceptance.votes=2", "--set=evaluation.paper_comparison=4"]
    measured = ["--set=evaluation.suites=[lab/single/pastel]", "--set=evaluation.items_per_suite=1"]
    assert main(["evolve", "--images", str(folder), *TINY, *held_out, *measured, "--out", str(run)]) == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    verdict = next(line for line in lines if line["phase"] == "accept" and line["iteration"] == 1)
    assert verdict["accepted"] in (True, False) and verdict["against"] == 0
    summary = json.loads((run / "summary.json").read_text())
    assert len(summary["acceptance"]) == len(summary["silver"]) == 1
    assert f"verdict: iteration 1, accepted {verdict['accepted']}, against 0" in capsys.readouterr().out
    truths = ("judge", "true_", "paper", "label_accuracy", "answerable")
    for told in (*lines, *summary["acceptance"], *summary["silver"]):
        assert not [key for key in told if any(word in key for word in truths)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "no-such-folder"], "no-such-folder"),
        (["--model", "./no-such-model"], "no-such-model"),
        (["--preset", "best"], "default"),
        (["--set", "rl.learning_rate=-1"], "learning_rate"),
        (["--set", "rl.speed=1"], "speed"),
        (["--set", "nonsense"], "key=value"),
        (["--set", "evaluation.suites=[imagenet]"], "imagenet"),
        (["--images", "lab/cubist"], "cubist"),
        (["--iterations", "0"], "iterations"),
    ],
)
def test_wrong_input_gets_one_line_exit_code_2_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["evolve", *arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error and error.startswith("visplay: ")
    assert not out.exists()


def test_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["evolve", "--images", str(tmp_path / "empty"), "--out", str(tmp_path / "run")]) == 2
    assert "empty" in capsys.readouterr().err


def test_a_run_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    assert main(["evolve", "--out", str(tmp_path)]) == 2
    assert (tmp_path / "precious.txt").read_text() == "keep me"
    assert "not empty" in capsys.readouterr().err


def test_eval_scores_any_labelled_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((64, 64, 3), (70, 70, 80), dtype=np.uint8)).save(tmp_path / "plain.png")
    rows = [
        {"image": "plain.png", "question": "is there a red circle?", "answer": "no"},
        {"image": "plain.png", "question": "is there a red circle?", "answer": "no", "choices": ["yes", "no"]},
        {"image": "gone.png", "question": "?", "answer": "no"},
    ]
    data = tmp_path / "mine.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in rows))
    assert main(["eval", "lab", "--data", str(data), "--out", str(tmp_path / "out" / "mine.json")]) == 0
    report = json.loads((tmp_path / "out" / "mine.json").read_text())
    (figures,) = report["suites"].values()
    accuracy = figures["iterations"][0]
    assert accuracy["n"] == 2 and accuracy["ci95"][0] <= accuracy["accuracy"] <= accuracy["ci95"][1]
    assert len(report["skipped"]) == 1 and "line 3" in capsys.readouterr().out


def test_eval_takes_columns_of_other_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((64, 64, 3), (70, 70, 80), dtype=np.uint8)).save(tmp_path / "plain.png")
    row = {"image": "plain.png", "ask": "is there a red circle?", "choices": ["yes", "no"], "gold": 1}
    data, out = tmp_path / "mine.json", tmp_path / "o.json"
    data.write_text(json.dumps([row]))
    flags = ["--columns", "question=ask,answer=gold", "--answers-are", "index"]
    assert main(["eval", "lab", "--data", str(data), *flags, "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["skipped"] == [] and report["answers_are"] == "index"
    assert report["columns"] == "question=ask,answer=gold"
    answers = [json.loads(line) for line in (tmp_path / "o.answers.jsonl").read_text().splitlines()]
    assert {answer["reference"] for answer in answers} == {"B"}
    capsys.readouterr()
    for wrong, reason in {
        ("--data", str(data), "--columns", "qestion=ask"): "columns: no 'qestion' (did you mean 'question'?)",
        ("--data", str(data), "--columns", "question"): "--columns must be like question=prompt,answer=label",
        ("--data", str(data), "--columns", "question=ask,answer=gold"): "say --answers-are index (counted from 0)",
        ("--suites", "lab", "--columns", "question=ask"): "--columns and --answers-are are for --data",
        ("--tasks", "mmstar", "--answers-are", "index"): "--columns and --answers-are are for --data",
    }.items():
        assert main(["eval", "lab", *wrong, "--out", str(tmp_path / "wrong.json")]) == 2
        error = capsys.readouterr().err
        assert reason in error and error.count("\n") == 1
    assert main(["compare", "lab", "lab", "--answers-are", "index"]) == 2


def test_eval_scores_named_suites_against_a_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", "lab", "--suites", "lab", "--items", "2", "--base", "lab", "--out", str(tmp_path / "o.json")]
    assert main(arguments) == 0
    suites = json.loads((tmp_path / "o.json").read_text())["suites"]
    assert suites["lab/counting"]["base"]["n"] == 10 and suites["lab/counting/pastel"]["base"]["n"] == 2
    # A model is no better than itself, item by item.
    assert all(suite["iterations"][0]["difference"]["mean"] == 0 for suite in suites.values())
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    counting = next(suite for suite in told if suite.startswith("lab/counting 10 model"))
    assert "] +0.0 [-" in counting and counting.endswith("] 1") and told[0] == "Result: no change shown."
    answers, base = (Measurement.load(tmp_path / name) for name in ("o.answers.jsonl", "o.base.answers.jsonl"))
    assert answers == base and answers.greedy["lab/counting/pastel"].n == 2
    assert all(mark.text and mark.question for mark in answers.greedy["lab/counting/pastel"].answered)


def test_a_second_eval_replaces_nothing_unless_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o.json"
    arguments = ["eval", "lab", "--suites", "lab/color/clean", "--items", "1", "--out", str(out)]
    assert main([*arguments, "--base", "lab"]) == 0
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert sorted(before) == ["o.answers.jsonl", "o.base.answers.jsonl", "o.json"]
    assert main(arguments) == 2
    assert "o.json exists already" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert main([*arguments, "--force"]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["o.answers.jsonl", "o.json"]


def test_eval_asks_k_times_and_blind_when_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o.json"
    suites = ["--suites", "lab/color/clean", "lab/existence/clean", "--items", "3"]
    assert main(["eval", "lab", *suites, "--k", "3", "--no-image", "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    [figures] = report["suites"]["lab/color"]["iterations"]
    assert {"pass@3", "maj@3", "no_image", "above_no_image"} <= figures.keys()
    assert sum(bin_["n"] for bin_ in figures["maj@3"]["calibration"]["bins"]) == figures["maj@3"]["n"] == 3
    assert report["macro"]["iterations"][0]["benchmarks"] == ["lab/color", "lab/existence"]
    answers = Measurement.load(tmp_path / "o.answers.jsonl")
    assert {len(mark.draws) for mark in answers.by_decoding["maj@3"]["lab/color/clean"].answered} == {3}
    told = capsys.readouterr().out
    for title in ("pass@3, what is boxed", "without the image", "maj@3: confidence", "mean of 2", "answers by type"):
        assert title in told
    assert max(map(len, told.splitlines()[:-1])) <= 100
    assert told.splitlines()[-1] == f"figures in {out}, every answer in o.answers.jsonl beside it"


@pytest.mark.parametrize("out", ["taken", "taken/inside/o.json", "file/o.json"])
def test_eval_refuses_a_place_it_cannot_write_to_before_it_asks(
    tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "inside").write_text("mine")
    assert main(["eval", "no-such-model", "--suites", "lab", "--out", str(tmp_path / out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("visplay: --out") and error.count("\n") == 1


@pytest.mark.parametrize(
    "given", [["--suites", "imagenet"], ["--suites", "lab", "--items", "0"], ["--suites", "lab", "--k", "-1"]]
)
def test_eval_of_no_known_suite_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    assert main(["eval", "lab", *given, "--out", str(tmp_path / "o.json")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("visplay: ") and error.count("\n") == 1


def test_eval_without_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", "lab", "--data", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "o.json")]
    assert main(arguments) == 2
    assert "none.jsonl" in capsys.readouterr().err
