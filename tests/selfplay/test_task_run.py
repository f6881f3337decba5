"""Runs with task sources, by the lab's model: a killed run goes on to the same end, and lost originals are left out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tests.real_processes import preloaded
from tests.tiny_runs import TINY
from visplay.cli.main import main
from visplay.config import load_settings
from visplay.data.made_images import MadeImage
from visplay.lab.drawings import drawings
from visplay.models.image_cache import ImageCache, Pixels
from visplay.report.gallery import ImageList
from visplay.runs import read_metrics
from visplay.selfplay.run import evolve
from visplay.types import ImageRef

SMALL = [
    *("evolve", "--preset", "paper-lab", "--images", "lab/clean"),
    *(part for setting in TINY for part in ("--set", setting)),
    *("--set", "silver.images=20", "--set", "silver.tasks=[{type: rotation, share: 0.3}, {type: jigsaw, share: 0.2}]"),
    *("--set", "evaluation.suites=[]", "--set", "acceptance.images=3", "--set", "acceptance.votes=2"),
    *("--set", "reasoner.curriculum=uncertain", "--set", "reasoner.steps=3"),
    *("--set", "reasoner.augmentations=[mirrored, darker]", "--set", "reasoner.questions_per_step=6"),
]


def lines(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in found]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("tasks") / "run"
    assert main([*SMALL, "--out", str(run)]) == 0
    return run


def test_a_run_learns_from_exact_tasks_and_says_so(finished: Path) -> None:
    (silver,) = [line for line in lines(finished) if line["phase"] == "silver"]
    assert silver["tasks"]["rotation"]["asked"] == silver["tasks"]["rotation"]["kept"] > 0
    assert silver["asked"] == 20, "two questions about each of the other ten images"
    rows = pq.read_table(finished / "silver" / "iteration-1.parquet").to_pylist()
    assert len(rows) == silver["kept"] and {row["source"] for row in rows} >= {"questioner", "rotation"}
    held_out = {row["image"] for file in (finished / "acceptance" / "asked").glob("*") for row in _rows(file)}
    made = [row["image"] for row in rows if row["source"] != "questioner"]
    assert held_out and not any(image.startswith(f"{other}~") for image in made for other in held_out)
    images = ImageList(load_settings(str(finished / "config.yaml")))
    assert all(images.thumbnail(image) for image in made)
    assert len({images.thumbnail(image) for image in made}) == len(made)
    assert images.thumbnail("lab/clean/0~rotation(9)") is None and images.thumbnail("x~rotation(1)") is None


def test_made_images_are_trained_on_as_they_are(finished: Path) -> None:
    rows = [row for file in (finished / "asked").glob("1-reasoner-*") for row in _rows(file)]
    exact = [row for row in rows if row["source"] in ("rotation", "jigsaw")]
    assert exact and {each for row in exact for each in row["augmentations"]} == {"plain"}


@pytest.mark.long
def test_a_killed_run_with_tasks_goes_on_to_the_same_metrics(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = preloaded().Process(target=main, args=([*SMALL, "--out", str(run)],))
    process.start()
    while not (run / "asked" / "1-reasoner-0.parquet").exists():
        assert process.is_alive(), "the run ended before it could be killed"
        time.sleep(0.05)
    process.kill()
    process.join()
    assert 0 < len(lines(run)) < len(lines(finished))
    assert main(["evolve", "--resume", "--out", str(run)]) == 0
    assert lines(run) == lines(finished)
    assert (run / "silver.parquet").read_bytes() == (finished / "silver.parquet").read_bytes()


def test_a_run_goes_on_without_the_original_of_a_made_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for n, image in enumerate(drawings("clean", 10, 0)[0]):
        (pictures / f"{n}.png").write_bytes(image.read())
    original, victims = ImageCache.get, list[Path]()

    def get(cache: ImageCache, image: ImageRef) -> Pixels:
        if isinstance(image, MadeImage) and not victims and isinstance(image.originals[0].data, Path):
            victims.append(image.originals[0].data)
            victims[0].unlink()
        return original(cache, image)

    monkeypatch.setattr(ImageCache, "get", get)
    changes = [*TINY, "evaluation.suites=[]", "silver.images=10", "silver.tasks=[{type: rotation, share: 1.0}]"]
    run = evolve(load_settings("paper-lab", changes, {"images": str(pictures)}), tmp_path / "run", console=Console())
    assert run.summary["lost_images"] == {victims[0].name: "no such file"}
    (silver,) = [line for line in read_metrics(run.path / "metrics.jsonl") if line["phase"] == "silver"]
    assert silver["asked"] == 0 and silver["kept"] == silver["tasks"]["rotation"]["kept"] > 1


def _rows(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return found
