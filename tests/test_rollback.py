"""A regression that was planted is taken back: on the real tiny model, to the very weights of what was accepted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from visplay.cli import main

SMALL = [
    "--images=lab/single",
    "--set=questioner.steps=1",
    "--set=questioner.images_per_step=2",
    "--set=questioner.group_size=2",
    "--set=questioner.votes=2",
    "--set=silver.images=8",
    "--set=silver.votes=4",
    "--set=silver.gates=[answered]",
    "--set=reasoner.questions_per_step=8",
    "--set=evaluation.suites=[lab/single/pastel]",
    "--set=evaluation.items_per_suite=2",
    "--set=evaluation.sampled=false",
    "--set=evaluation.beside_paper=8",
    "--set=acceptance.pictures=24",
]
SPOILT = [
    *SMALL,
    "--iterations=3",
    "--set=reasoner.reward=random",
    "--set=grpo.learning_rate=3e-3",
    "--set=reasoner.steps=6",
]


def lines(run: Path, phase: str = "") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "time"} for line in found if phase in ("", line["phase"])]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_a_planted_regression_is_taken_back_and_ends_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["evolve", *SPOILT, "--out", str(run)]) == 0
    verdicts = lines(run, "accept")
    assert [v.get("accepted") for v in verdicts] == [None, False, False], "two rejections end a run of three"
    assert all(v["against"] == 0 and v["judge_accepts"] is False for v in verdicts[1:]), "who knows the truth agrees"
    for role in ("questioner", "reasoner"):
        ours, base = weights(run / role), weights(run / "accepted" / role)
        assert ours.keys() == base.keys() and all(torch.equal(ours[name], base[name]) for name in ours)
    summary = json.loads((run / "summary.json").read_text())
    assert [v["accepted"] for v in summary["acceptance"]] == [False, False]
    assert {"paper_label_accuracy", "paper_kept", "paper_asked"} <= summary["silver"][0].keys()
    assert (run / "silver.parquet").exists()


def test_what_does_no_harm_is_kept(tmp_path: Path) -> None:
    run = tmp_path / "run"
    calm = ["--iterations=1", "--set=reasoner.steps=1", "--set=grpo.learning_rate=1e-6"]
    assert main(["evolve", *SMALL, *calm, "--out", str(run)]) == 0
    assert [v.get("accepted") for v in lines(run, "accept")] == [None, True]
    ours, accepted = weights(run / "reasoner"), weights(run / "accepted" / "reasoner")
    assert all(torch.equal(ours[name], accepted[name]) for name in ours)


def test_a_run_killed_around_its_verdict_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    short = [*SPOILT, "--iterations=1"]
    assert main(["evolve", *short, "--out", str(whole)]) == 0
    command = [sys.executable, "-m", "visplay", "evolve", "--out", str(killed)]
    # As many threads as here: a run repeats itself only with the same number.
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([*command, *short], env=environment, stdout=subprocess.DEVNULL)
    while not (killed / "measurements" / "iteration-1.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main(["evolve", "--resume", "--out", str(killed)]) == 0
    assert lines(killed) == lines(whole)
