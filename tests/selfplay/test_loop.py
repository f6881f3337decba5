"""The whole loop on the lab, small: what it leaves behind, that it repeats, that it can be interrupted."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from PIL import Image

from tests.real_processes import preloaded
from visplay.answers import vote
from visplay.cli.main import main
from visplay.evaluation.baselines import BASELINES
from visplay.evaluation.results import Measurement
from visplay.evaluation.summary import selected_iteration
from visplay.lab.suites.tasks import lab_suites
from visplay.models.vlm import VLM
from visplay.selfplay.controls import CONTROLS
from visplay.selfplay.curriculum import silver_batch
from visplay.types import ImageRef, Question, SilverItem, StepId

SMALL = [
    "--preset=facts",
    "--images=lab/single",
    "--iterations=2",
    "--set=questioner.steps=2",
    "--set=questioner.images_per_step=2",
    "--set=questioner.group_size=4",
    "--set=questioner.votes=4",
    "--set=silver.images=6",
    "--set=silver.votes=4",
    "--set=reasoner.steps=2",
    "--set=reasoner.questions_per_step=2",
    "--set=reasoner.group_size=4",
    "--set=silver.gates.band.low=0.2",
    "--set=silver.gates.band.high=1.0",
    "--set=acceptance.images=6",
    "--set=acceptance.questions_per_image=1",
    "--set=acceptance.votes=4",
    "--set=evaluation.suites=[easy_vqa,lab/color/clean,lab/existence/noisy,lab/counting/pastel]",
    "--set=evaluation.items_per_suite=2",
    "--set=evaluation.sampled=true",
    "--set=evaluation.pass_k=2",
    "--set=evaluation.paper_comparison=5",
]


def lines(run: Path) -> list[dict[str, Any]]:
    """Metrics without what may differ between two runs."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in found]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("evolve") / "run"
    assert main(["evolve", *SMALL, "--out", str(run)]) == 0
    return run


def test_every_phase_of_every_iteration_is_measured(finished: Path) -> None:
    steps = [(line["iteration"], line["phase"], line["step"]) for line in lines(finished)]
    learning = [("questioner", 0), ("questioner", 1), ("silver", 0), ("reasoner", 0), ("reasoner", 1)]
    judging = [("measure", 0), ("accept", 0)]
    expected = {0: judging, 1: learning + judging, 2: learning + judging}
    assert steps == [(t, phase, step) for t, each in expected.items() for phase, step in each]
    silver = [line for line in lines(finished) if line["phase"] == "silver"]
    for line in silver:
        assert line["asked"] == 12 and line["kept"] <= line["candidates"] <= line["valid"] <= 12
        assert 0 <= line["label_accuracy"] <= line["answerable"] <= 1
        assert sum(line["confidence_histogram"]) == sum(line["types"].values()) == line["candidates"]
        assert line["paper_kept"] <= line["paper_asked"] == 5
    measured = [line for line in lines(finished) if line["phase"] == "measure"]
    assert all(
        {"greedy/easy_vqa", "sampled/easy_vqa", "pass@2/easy_vqa", "maj@2/easy_vqa"} <= m.keys() for m in measured
    )


def test_the_default_asks_by_its_questioner_and_by_programs(tmp_path: Path) -> None:
    small = [
        *("questioner.steps=1", "questioner.images_per_step=2", "questioner.group_size=2", "questioner.votes=2"),
        *("silver.images=16", "reasoner.steps=2", "reasoner.questions_per_step=8", "reasoner.group_size=4"),
        *("acceptance.images=4", "acceptance.votes=2", "evaluation.suites=[lab/relation/pastel]"),
        *("evaluation.endpoints={}", "evaluation.items_per_suite=2", "evaluation.baseline_votes=0"),
    ]
    changes = [f"--set={change}" for change in small]
    assert main(["evolve", "--preset=default", "--iterations=1", *changes, "--out", str(tmp_path / "run")]) == 0
    (silver,) = [line for line in lines(tmp_path / "run") if line["phase"] == "silver"]
    assert silver["asked"] == 8 and silver["tasks"]["programs"]["kept"] > 12
    assert silver["label_accuracy"] > 0.8
    assert all(line["zero_advantage_groups"] == 0 for line in lines(tmp_path / "run") if line["phase"] == "reasoner")


def test_a_knowing_judge_stands_beside_each_verdict(finished: Path) -> None:
    base, *verdicts = [line for line in lines(finished) if line["phase"] == "accept"]
    assert 0 < base["frozen_questions"] <= 6 and "accepted" not in base
    assert verdicts[0]["against"] == 0
    for line in verdicts:
        assert {line["accepted"], line["oracle_accepts"]} <= {True, False} and 0 <= line["true_accuracy"] <= 1
        for figure in ("agreement", "true"):
            low, high = line[f"{figure}_ci95"]
            assert low <= line[f"{figure}_change"] <= high


def test_the_summary_has_the_agreed_shape(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    parts = {"suites", "macro", "silver", "acceptance", "controls", "seconds", "peak_memory_bytes", "headline"}
    assert summary.keys() == parts
    assert len(summary["macro"]["iterations"]) == 2 and "easy_vqa" in summary["macro"]["base"]["benchmarks"]
    suite = summary["suites"]["easy_vqa_open"]
    assert suite["base"]["n"] == 2 and 0 <= suite["base"]["accuracy"] <= 1 and len(suite["base"]["ci95"]) == 2
    assert len(suite["iterations"]) == 2 and {"difference", "sampled"} < suite["iterations"][0].keys()
    assert [s["asked"] for s in summary["silver"]] == [12, 12]
    assert [s["paper_asked"] for s in summary["silver"]] == [5, 5]
    verdicts = [line for line in lines(finished) if line["phase"] == "accept" and line["iteration"]]
    assert [v["iteration"] for v in summary["acceptance"]] == [1, 2]
    for told, line in zip(summary["acceptance"], verdicts, strict=True):
        assert {"accepted", "against", "agreement_change", "oracle_accepts", "true_change"} < told.keys()
        assert told == {key: line[key] for key in told}
    assert summary["seconds"] > 0 and summary["peak_memory_bytes"] > 10**8


def test_the_silver_set_opens_with_datasets_and_agrees_with_the_metrics(finished: Path) -> None:
    rows = load_dataset("parquet", data_files=str(finished / "silver.parquet"), split="train")
    kept = [line["kept"] for line in lines(finished) if line["phase"] == "silver"]
    assert [row["iteration"] for row in rows] == [1] * kept[0] + [2] * kept[1]
    for row in rows:
        answer, share, _ = vote(row["votes"])
        # A labeler that asks for more than votes may be less sure than they are.
        assert row["silver_answer"] == answer and 0.2 <= row["confidence"] <= share
        assert row["image"].startswith("lab/single/") and row["question"] and row["type"]


def test_both_roles_are_written_as_models_and_differ_from_the_base(finished: Path) -> None:
    roles = [VLM.load(finished / role, device="cpu").model.state_dict() for role in ("questioner", "reasoner")]
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    assert not roles[0][name].equal(roles[1][name])


def test_eval_of_a_run_agrees_with_what_the_run_measured(finished: Path, tmp_path: Path) -> None:
    names = ("lab/color/clean", "lab/existence/noisy", "lab/counting/pastel")
    suites = [suite for suite in lab_suites(0, 2) if suite.name in names]
    rows = []
    for number, item in enumerate(item for suite in suites for item in suite.items):
        item.image.load().save(tmp_path / f"{number}.png")
        rows.append({"image": f"{number}.png", "question": item.question, "answer": item.answer})
    (tmp_path / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    measured = Measurement.load(finished / "measurements" / "iteration-2.jsonl").greedy
    expected = sum(measured[name].correct for name in names) / len(rows)
    for model in (finished, finished / "reasoner"):
        out = tmp_path / f"{model.name}.json"
        assert main(["eval", str(model), "--data", str(tmp_path / "items.jsonl"), "--out", str(out)]) == 0
        report = json.loads(out.read_text())
        assert report["suites"]["items"]["iterations"][0]["accuracy"] == pytest.approx(expected)


def test_eval_by_the_names_of_suites_agrees_with_the_run_item_by_item(finished: Path, tmp_path: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    last = selected_iteration(summary)
    suites = ["--suites", "easy_vqa", "lab/color/clean", "lab/existence/noisy", "lab/counting/pastel", "--items", "2"]
    out = tmp_path / "scores.json"
    flags = ["--k", "2", "--base", "lab", "--baselines", "--out", str(out)]
    assert main(["eval", str(finished), *suites, *flags]) == 0
    for iteration, answers in ((last, "scores.answers.jsonl"), (0, "scores.base.answers.jsonl")):
        of_the_run = Measurement.load(finished / "measurements" / f"iteration-{iteration}.jsonl")
        asked_again = Measurement.load(tmp_path / answers)
        votes = [] if iteration else list(BASELINES)
        assert list(asked_again.by_decoding) == ["greedy", "sampled", "pass@2", "maj@2", *votes]
        assert asked_again == of_the_run
    report = json.loads(out.read_text())
    for name, suite in summary["suites"].items():
        assert report["suites"][name]["base"] == suite["base"]
        assert report["suites"][name]["baselines"] == suite["baselines"]
        assert not last or report["suites"][name]["iterations"] == [suite["iterations"][last - 1]]
    assert not last or report["macro"]["iterations"] == [summary["macro"]["iterations"][last - 1]]


def test_adapters_evolve_and_are_scored(tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = [*SMALL, "--iterations=1", "--set=tune=lora", "--set=lora.rank=2", "--set=evaluation.suites=[]"]
    assert main(["evolve", *small, "--out", str(run)]) == 0
    assert (run / "reasoner" / "prompts.yaml").exists()
    Image.new("RGB", (64, 64), (80, 80, 90)).save(tmp_path / "plain.png")
    (tmp_path / "d.jsonl").write_text('{"image": "plain.png", "question": "is there a cross?", "answer": "no"}')
    assert main(["eval", str(run), "--data", str(tmp_path / "d.jsonl"), "--out", str(tmp_path / "o.json")]) == 0


def test_a_killed_run_goes_on_from_its_last_step_to_the_same_metrics(finished: Path, tmp_path: Path) -> None:
    """So the same seed gives the same metrics, in other processes too."""
    run = tmp_path / "run"
    process = preloaded().Process(target=main, args=(["evolve", *SMALL, "--out", str(run)],))
    process.start()
    while not (run / "silver" / "iteration-1.parquet").exists():
        assert process.is_alive(), "the run ended before it could be killed"
        time.sleep(0.05)
    process.kill()
    process.join()
    assert 0 < len(lines(run)) < len(lines(finished))
    assert main(["evolve", "--resume", "--out", str(run)]) == 0
    assert lines(run) == lines(finished)


@pytest.mark.long
def test_controls_are_run_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    small = [*SMALL, "--iterations=1", "--set=reasoner.steps=1", "--set=acceptance.images=0"]
    small += ["--set=evaluation.suites=[easy_vqa]", "--set=evaluation.pass_k=0", "--set=evaluation.paper_comparison=0"]
    assert main(["evolve", *small, "--controls", "--out", str(run)]) == 0
    controls = json.loads((run / "summary.json").read_text())["controls"]
    assert controls.keys() == CONTROLS.keys()
    assert controls["true_labels"]["gap_closed"].keys() == controls["true_labels"]["suites"].keys()
    base = [control["suites"]["easy_vqa"]["base"]["accuracy"] for control in controls.values()]
    assert len(set(base)) == 1
    ours = json.loads((run / "summary.json").read_text())["suites"]["easy_vqa"]["iterations"][0]["accuracy"]
    for control in controls.values():
        theirs = control["suites"]["easy_vqa"]["iterations"][0]["accuracy"]
        assert control["lead"]["easy_vqa"][0]["mean"] == pytest.approx(ours - theirs)
    assert "ahead of random_reward after the last iteration" in capsys.readouterr().out
    untrained = lines(run / "controls" / "untrained_questioner")
    assert not [line for line in untrained if line["phase"] == "questioner"]


def test_batches_use_every_item_once_a_lap() -> None:
    image = ImageRef("p", b"")
    items = [SilverItem(Question(str(n), image, "open", "?"), "x", 1.0, ()) for n in range(7)]
    batches = [silver_batch(items, 2, StepId(1, "reasoner", step), 0) for step in range(6)]
    lap = [item.question.id for batch in batches[:3] for item in batch]
    assert len(set(lap)) == 6
    assert batches[3:] != batches[:3], "each lap is shuffled anew"
    assert [silver_batch(items, 2, StepId(2, "reasoner", step), 0) for step in range(3)] != batches[:3]
    assert len(silver_batch(items, 50, StepId(1, "reasoner", 9), 0)) == 7
