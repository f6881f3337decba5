"""A run that learned nothing says so, stops early and exits with 3; a failed run notes its error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from visplay.cli.main import main
from visplay.config import load_settings
from visplay.errors import TrainingError
from visplay.lab.drawings import drawings
from visplay.report.run_data import RunView
from visplay.selfplay import phases
from visplay.selfplay.outcome import FAILURE_FILE, nothing_learned

TINY = [
    "--set=questioner.steps=1",
    "--set=questioner.images_per_step=2",
    "--set=questioner.group_size=2",
    "--set=questioner.votes=2",
    "--set=silver.votes=2",
    "--set=reasoner.steps=1",
    "--set=reasoner.questions_per_step=2",
    "--set=reasoner.group_size=2",
    "--set=evaluation.suites=[]",
    "--set=silver.gates=[{type: band, low: 0.6, high: 0.7}]",  # two votes agree wholly or by half
]


def silver(asked: int, valid: int, kept: int, **dropped: int) -> dict[str, Any]:
    unlabelled = valid - kept - sum(dropped.values())
    line = {"phase": "silver", "iteration": 1, "asked": asked, "valid": valid, "candidates": valid}
    return {**line, "kept": kept, "unlabelled": unlabelled, "dropped": dropped}


def test_reasons_are_figures() -> None:
    assert nothing_learned([], 3) == ()
    assert nothing_learned([silver(100, 5, 1, band=4)], 3) == ()
    form, kept, stopped, _ = nothing_learned([silver(1000, 49, 40, band=9)], 3)
    assert form.startswith("In the agreed form: 49 of 1000 questions of the first iteration (4.9 %); at least 5 % are")
    assert kept == "Kept for the silver set: 40 of 49 different questions; dropped: gate band 9."
    assert stopped == "The run stopped after iteration 1 of 3."
    told = nothing_learned([silver(100, 90, 0, band=50, self_check=10)], 1)
    assert told[1].endswith(
        "0 of 90 different questions; dropped: no silver answer 30, gate band 50, gate self_check 10."
    )
    assert told[2] == "The silver set is empty, so the Reasoner did not train." and len(told) == 4
    assert len(nothing_learned([silver(8, 0, 0)], 1)) == 3
    # Later iterations may have nothing new to learn.
    later = {**silver(100, 0, 0), "iteration": 2}
    assert nothing_learned([silver(100, 90, 80), later], 3) == ()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for image in drawings("single", 6, 0)[0]:
        image.load().save(folder / f"{image.id.rpartition('/')[2]}.png")
    return folder


def test_an_empty_silver_set_ends_the_run_after_one_iteration(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["evolve", "--images", str(images), *TINY, "--iterations=3", "--controls", "--out", str(run)]) == 3
    told = capsys.readouterr().out
    sentences = (
        "The silver set is empty",
        "The run stopped after iteration 1 of 3.",
        "dropped: ",
        "In the agreed form: ",
    )
    assert "Result: nothing learned." in told and all(sentence in told for sentence in sentences)
    assert "Left out: the controls" in told
    summary = json.loads((run / "summary.json").read_text())
    assert summary["headline"]["verdict"] == "nothing learned" and len(summary["silver"]) == 1
    lines = (run / "metrics.jsonl").read_bytes()

    assert main(["evolve", "--resume", "--out", str(run)]) == 3
    assert "Result: nothing learned." in capsys.readouterr().out
    assert (run / "metrics.jsonl").read_bytes() == lines

    page = RunView(run).read()
    assert page["headline"]["verdict"] == "nothing learned" and page["status"]["state"] == "finished"
    assert page["absent"] == {
        "reasoner": "The Reasoner learns: this did not run, because the silver set is empty.",
        "measure": "Suites are measured: this did not run, because the settings and the inputs of the run plan no step "
        "of it.",
    }
    assert "nothing learned" in (run / "report.html").read_text()
    assert "because the silver set is empty" in (run / "results.md").read_text()


def test_a_failed_run_notes_why_until_it_goes_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise TrainingError("the gradient is\x1b not finite")

    run = tmp_path / "run"
    with monkeypatch.context() as broken:
        broken.setattr(phases, "make_silver_set", fail)
        assert main(["evolve", "--images", str(images), *TINY, "--iterations=1", "--out", str(run)]) == 2
    assert "\x1b" not in capsys.readouterr().err
    assert json.loads((run / FAILURE_FILE).read_text())["kind"] == "TrainingError"
    page = RunView(run).read()
    assert page["status"]["state"] == "failed"
    assert page["status"]["words"].startswith(
        "failed: iteration 1 of 1, the silver set is made: the gradient is\\x1b not"
    )
    assert page["absent"]["reasoner"] == (
        "The Reasoner learns: this did not run, because the run failed before: the gradient is\\x1b not finite."
    )
    assert main(["evolve", "--resume", "--out", str(run)]) == 3
    assert not (run / FAILURE_FILE).exists()


def test_the_default_settings_are_far_from_the_limit() -> None:
    first = next(
        line
        for line in map(json.loads, (Path(__file__).parent / "golden.jsonl").read_text().splitlines())
        if line.get("phase") == "silver"
    )
    assert nothing_learned([first], load_settings("default").iterations) == ()
