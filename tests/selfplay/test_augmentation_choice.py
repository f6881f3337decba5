"""A run that chooses its augmentations: recorded, used from then on, and the same after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.tiny_runs import TINY
from visplay.config import load_settings
from visplay.lab.drawings import drawings
from visplay.labeling.files import read_silver, silver_file
from visplay.runs import RunDirectory, read_metrics
from visplay.runs.events import Events
from visplay.selfplay import phases
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import run_evolution

CHOICE = [
    "silver.labeler={type: majority, augmentations: [plain, smaller, recoloured, darker]}",
    "silver.choose_augmentations={keep: 2, images: 8}",
    "silver.votes=4",
    "questioner.labeler=majority",
    "evaluation.suites=[]",
]


def run_it(folder: Path, resume: bool = False) -> None:
    inputs = RunInputs(drawings("clean", 8, 0)[0], (), None)
    if resume:
        opened = RunDirectory.open(folder)
    else:
        opened = RunDirectory.create(folder, load_settings("paper-lab", [*TINY, *CHOICE]))
    with opened as run:
        run_evolution(run, inputs, Console(quiet=True))


def test_the_choice_is_recorded_used_and_repeated_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_it(tmp_path / "whole")
    first, *others = lines = read_metrics(tmp_path / "whole" / "metrics.jsonl")
    assert (first["phase"], first["iteration"], first["questions"] > 0) == ("augmentations", 0, True)
    assert set(first["agreement"]) == {"plain", "smaller", "recoloured", "darker"}
    assert len(first["chosen"]) == 2 and sum(first["agreement"].values()) != 0
    least = min(first["agreement"][chosen] for chosen in first["chosen"])
    assert all(value <= least for name, value in first["agreement"].items() if name not in first["chosen"])
    assert [line["phase"] for line in others] == ["questioner", "silver", "reasoner", "reasoner"]
    images = {image.id: image for image in drawings("clean", 8, 0)[0]}
    used = {
        vote.augmentation for item in read_silver(silver_file(tmp_path / "whole", 1), images) for vote in item.votes
    }
    assert used <= {"plain", *first["chosen"]}
    settings = load_settings(str(tmp_path / "whole" / "config.yaml"))
    assert list(settings.silver.labeler.augmentations) == first["chosen"]
    (event,) = (line for line in Events(tmp_path / "whole").lines() if line["event"] == "augmentations chosen")
    assert "silver.labeler.augmentations" in event["changes"]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(phases, "train_questioner", killed)
        run_it(tmp_path / "killed")
    run_it(tmp_path / "killed", resume=True)
    again = read_metrics(tmp_path / "killed" / "metrics.jsonl")
    assert [{**line, "time": 0} for line in again] == [{**line, "time": 0} for line in lines]
