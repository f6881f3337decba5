"""Images that vanish or turn into something else: during a run, within a step and between sittings."""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.faults.odd_images import _png
from tests.tiny_runs import TINY
from visplay.config import load_settings
from visplay.data.sources.folder import folder
from visplay.errors import ImageError
from visplay.lab.drawings import drawings
from visplay.models.image_cache import ImageCache
from visplay.roles.questioner import Asked, Questioner
from visplay.runs import read_metrics
from visplay.runs.open_run import Run
from visplay.selfplay.acceptance import hold_out_images
from visplay.selfplay.context import PhaseContext
from visplay.selfplay.run import evolve
from visplay.types import ImageRef, StepId

pytestmark = pytest.mark.faults

SECONDS = 90
CHANGES = ("evaluation.suites=[]", "evaluation.before=false", "acceptance.images=2", "acceptance.votes=2")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _other(path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "blue").save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


def _flipped(path: Path) -> None:
    """Other contents of the same size and time."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


FAULTS: dict[str, Callable[[Path], object]] = {
    "vanishes": Path.unlink,
    "is truncated": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "is emptied": lambda path: path.write_bytes(b""),
    "becomes a bomb": lambda path: path.write_bytes(b"".join(_png(60_000, 60_000, 0, 1, rows=9))),
    "becomes a pipe": _pipe,
    "becomes a folder": _folder,
    "becomes a device": _device,
    "becomes text": lambda path: path.write_text("<html>404</html>"),
    "becomes another image": _other,
    "has a bit flipped": _flipped,
}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of twelve drawings; the test ends after `SECONDS`."""

    def late(*_: object) -> None:
        raise TimeoutError(f"the run did not end within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    place = tmp_path / "pictures"
    place.mkdir()
    for n, image in enumerate(drawings("clean", 12, 0)[0]):
        (place / f"{n:02}.png").write_bytes(image.read())
    yield place
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def evolved(pictures: Path, resume: bool = False) -> Run:
    settings = load_settings("paper-lab", [*TINY, *CHANGES], {"images": str(pictures)})
    return evolve(settings, pictures.parent / "run", resume=resume)


def before_step(monkeypatch: pytest.MonkeyPatch, number: int, action: Callable[[], object]) -> None:
    """Call `action` once, before the step of that number."""
    original, begun = PhaseContext.step, iter(range(10_000))

    @contextmanager
    def step(context: PhaseContext, at: StepId) -> Iterator[dict[str, Any]]:
        if next(begun) == number:
            action()
        with original(context, at) as record:
            yield record

    monkeypatch.setattr(PhaseContext, "step", step)


def asked_about(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The images of each call of the Questioner, from now on."""
    original, found = Questioner.ask, list[set[str]]()

    def ask(self: Questioner, images: Sequence[ImageRef], n: int, tag: str, trained: bool = False) -> list[Asked]:
        found.append({image.id for image in images})
        return original(self, images, n, tag, trained)

    monkeypatch.setattr(Questioner, "ask", ask)
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_what_happens_to_images_between_steps_costs_no_more_than_them(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    victims = {f"{n:02}.png" for n in range(0, 12, 2)} - {held_out(pictures)}
    # Step 0 freezes the answers of acceptance, step 1 is the Questioner's, step 2 makes the silver set.
    asked = asked_about(monkeypatch)
    before_step(monkeypatch, 2, lambda: [FAULTS[fault](pictures / name) for name in victims])
    run = evolved(pictures)
    lost = run.summary["lost_images"]
    assert set(lost) <= victims and lost
    lines = read_metrics(run.path / "metrics.jsonl")
    assert lines[-1]["lost_images"] == len(lost) and "lost_images" not in lines[1]
    assert asked[3] and not asked[3] & victims  # of acceptance
    assert not set(pq.read_table(run.path / "silver.parquet")["image"].to_pylist()) & victims


@pytest.mark.parametrize("number", [0, 3, 7, 12, 18])
@pytest.mark.parametrize("fault", ["vanishes", "becomes a pipe", "becomes a bomb", "becomes another image"])
def test_an_image_that_goes_while_a_step_needs_it_is_left_out(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, fault: str, number: int
) -> None:
    """Right before the model reads it, after every check."""
    original, reads, victims = ImageCache.get, iter(range(10_000)), []

    def get(cache: ImageCache, image: ImageRef) -> Any:
        if isinstance(image.data, Path) and image not in cache._entries and next(reads) == number:
            victims.append(image.data.name)
            FAULTS[fault](image.data)
        return original(cache, image)

    monkeypatch.setattr(ImageCache, "get", get)
    run = evolved(pictures)
    assert len(victims) <= 1
    assert list(run.summary.get("lost_images", {})) == victims


def test_when_all_images_go_the_run_stops_in_one_line_and_goes_on_once_they_are_back(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = pictures.with_name("kept")
    with monkeypatch.context() as patched:
        before_step(patched, 2, lambda: pictures.rename(kept))
        with pytest.raises(ImageError, match="put them back") as caught:
            evolved(pictures)
        assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="no folder of images"):
        evolved(pictures, resume=True)
    kept.rename(pictures)
    asked = asked_about(monkeypatch)
    evolved(pictures, resume=True)
    assert len(asked[0]) == 4


@pytest.mark.parametrize("fault", FAULTS)
def test_other_contents_between_two_sittings_are_refused_by_name(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    victim, kept = pictures / "05.png", pictures.with_name("kept")
    shutil.copytree(pictures, kept)
    with monkeypatch.context() as patched:
        before_step(patched, 2, _interrupt)
        with pytest.raises(KeyboardInterrupt):
            evolved(pictures)
    FAULTS[fault](victim)
    with pytest.raises(ImageError, match=r"05\.png") as caught:
        evolved(pictures, resume=True)
    assert "\n" not in str(caught.value) and "start a new run" in str(caught.value)
    shutil.rmtree(pictures)
    kept.rename(pictures)
    assert "lost_images" not in evolved(pictures, resume=True).summary


def test_an_image_that_was_lost_may_stay_away(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        victims = {f"{n:02}.png" for n in range(8)} - {held_out(pictures)}  # some are drawn in step 2
        before_step(patched, 2, lambda: [(pictures / name).unlink() for name in victims])
        before_step(patched, 3, _interrupt)
        with pytest.raises(KeyboardInterrupt):
            evolved(pictures)
    run = evolved(pictures, resume=True)
    assert run.summary["lost_images"]


def held_out(pictures: Path) -> str:
    """One of the images that acceptance judges by, which cannot do without any."""
    return hold_out_images(folder(pictures).images, 2, 0)[0][0].id


def _interrupt() -> None:
    raise KeyboardInterrupt
