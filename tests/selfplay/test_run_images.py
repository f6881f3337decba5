"""The images of a run: what vanished is left out and named, and other contents are refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from tests.tiny_runs import TINY
from visplay.config import load_settings
from visplay.data.sources.folder import folder
from visplay.errors import ImageError, RunError
from visplay.lab.drawings import drawings
from visplay.models.image_cache import ImageCache, Pixels
from visplay.runs import RunDirectory, read_metrics
from visplay.runs.files import read_json
from visplay.selfplay.run import evolve
from visplay.selfplay.run_images import RunImages, lost_images, lost_lines
from visplay.types import ImageRef


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    place = tmp_path / "pictures"
    place.mkdir()
    for n in range(6):
        Image.new("RGB", (32, 32), (40 * n, 0, 0)).save(place / f"{n}.png")
    (tmp_path / "run").mkdir()
    return place


def opened(pictures: Path) -> RunImages:
    return RunImages(pictures.parent / "run", folder(pictures).images)


def ids(images: RunImages) -> list[str]:
    return [image.id for image in images.images]


def test_what_images_held_is_kept_with_the_run(pictures: Path) -> None:
    images = opened(pictures)
    assert images.left(images.images) == set(ids(images)) and images.lost == {}
    kept = read_json(pictures.parent / "run" / "images.json")
    assert list(kept) == ids(images) and kept["0.png"][0] == (pictures / "0.png").stat().st_size
    assert opened(pictures).images == images.images
    assert lost_images(pictures.parent / "run") == {}


def test_a_loss_is_written_down_at_once_with_those_that_went_together(pictures: Path) -> None:
    images = opened(pictures)
    (pictures / "1.png").unlink()
    (pictures / "2.png").write_bytes((pictures / "3.png").read_bytes())
    os.mkfifo(pictures / "pipe")
    (pictures / "4.png").unlink()
    (pictures / "4.png").symlink_to("pipe")
    assert images.left(images.images[:4]) == {"0.png", "3.png"}
    assert not images.usable(images.images[4])
    reasons = {"1.png": "no such file", "2.png": "its contents changed", "4.png": "its contents changed"}
    assert images.lost == reasons == lost_images(pictures.parent / "run")
    again = opened(pictures)
    assert ids(again) == ids(images) and again.lost == reasons
    assert again.left(again.images) == {"0.png", "3.png", "5.png"}


def test_a_lost_image_that_is_back_takes_part_after_a_resume(pictures: Path) -> None:
    images, content = opened(pictures), (pictures / "1.png").read_bytes()
    (pictures / "1.png").unlink()
    assert not images.usable(images.images[1])
    (pictures / "1.png").write_bytes(content)
    assert not images.usable(images.images[1])
    assert opened(pictures).left(images.images) == set(ids(images))


def test_other_contents_are_refused_by_name(pictures: Path) -> None:
    opened(pictures)
    kept = (pictures / "1.png").read_bytes()
    Image.new("RGB", (32, 32), (0, 9, 0)).save(pictures / "1.png")
    with pytest.raises(ImageError, match=r"image 1\.png has other contents since the run began; put the images back"):
        opened(pictures)
    (pictures / "1.png").unlink()
    with pytest.raises(ImageError, match=r"1\.png is missing or unreadable"):
        opened(pictures)
    (pictures / "1.png").write_bytes(kept)
    Image.new("RGB", (9, 9)).save(pictures / "new\x1b.png")
    with pytest.raises(ImageError, match=r"image new\\x1b\.png is new"):
        opened(pictures)


def test_sources_that_give_no_contents_are_read_once(pictures: Path) -> None:
    plain = [ImageRef(image.id, image.data) for image in folder(pictures).images]
    run = pictures.parent / "run"
    assert [image.content for image in RunImages(run, plain).images] == [i.content for i in opened(pictures).images]
    memory = [ImageRef("a", b"one")]
    (run / "images.json").unlink()
    images = RunImages(run, memory)
    assert images.left(images.images) == {"a"}
    with pytest.raises(ImageError, match="image a has other contents"):
        RunImages(run, [ImageRef("a", b"two")])


def test_the_record_of_contents_is_part_of_the_state(pictures: Path) -> None:
    run = pictures.parent / "own"
    with RunDirectory.create(run, load_settings()) as directory:
        RunImages(run, folder(pictures).images)
        directory.save_state({"iteration": 1, "phase": "reasoner", "step": 0})
    (run / "images.json").write_text('{"0.png": [1e999, "x"]}')
    with pytest.raises(RunError, match=r"images\.json has 23 bytes"):
        RunDirectory.open(run)
    with pytest.raises(ImageError, match=r"images\.json is damaged"):
        RunImages(run, folder(pictures).images)
    (run / "images.json").unlink()
    with pytest.raises(RunError, match=r"images\.json is missing"):
        RunDirectory.open(run)


def test_lost_images_are_named_without_control_characters() -> None:
    assert lost_lines({}) == []
    assert lost_lines({"a\x1b.png": "no such file"})[1] == r"  a\x1b.png: no such file"
    assert lost_lines({str(n): "gone" for n in range(30)})[-1] == "  and 10 more"


def test_a_run_goes_on_without_an_image_that_vanishes_while_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for n, image in enumerate(drawings("clean", 10, 0)[0]):
        (pictures / f"{n}.png").write_bytes(image.read())
    original, victims = ImageCache.get, []

    def get(cache: ImageCache, image: ImageRef) -> Pixels:
        if isinstance(image.data, Path) and not victims:
            victims.append(image.data.name)
            image.data.unlink()
        return original(cache, image)

    monkeypatch.setattr(ImageCache, "get", get)
    settings = load_settings("paper-lab", [*TINY, "evaluation.suites=[]"], {"images": str(pictures)})
    run = evolve(settings, tmp_path / "run", console=Console())
    assert run.summary["lost_images"] == {victims[0]: "no such file"}
    assert read_metrics(run.path / "metrics.jsonl")[-1]["lost_images"] == 1
    assert f"{victims[0]}: no such file" in capsys.readouterr().out
