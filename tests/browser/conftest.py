"""A real browser, a real server in a process of its own, and runs to look at. Run by `make test-browser`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect, sync_playwright

from tests.browser.crowd import crowded_run

expect.set_options(timeout=30_000)  # milliseconds; other processes may use the machine
PROGRAM = [sys.executable, "-m", "visplay"]
SMALL = [
    "questioner.steps=2",
    "questioner.images_per_step=3",
    "questioner.group_size=4",
    "questioner.votes=2",
    "reasoner.steps=4",
    "reasoner.questions_per_step=8",
    "silver.images=12",
    "silver.votes=4",
    "acceptance.images=4",
    "acceptance.votes=2",
    "evaluation.suites=[lab/single]",
    "evaluation.items_per_suite=4",
    "evaluation.pass_k=1",
    "evaluation.paper_comparison=0",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The run is looked at while it goes before anything waits for its end."""
    items.sort(key=lambda item: item.path.name != "test_live.py")


@dataclass(frozen=True)
class Going:
    """A run that another process is making."""

    path: Path
    process: subprocess.Popen[str]


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    source = str(Path(__file__).parents[2] / "src")
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def going(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Going]:
    """A run of the lab's model that has just begun; it goes on while tests look at it."""
    path = tmp_path_factory.mktemp("runs") / "going"
    settings = [part for setting in SMALL for part in ("--set", setting)]
    images = ["--images", "lab/single", "--iterations", "2"]
    command = [*PROGRAM, "evolve", "--preset", "facts", *images, *settings, "--out", str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield Going(path, process)
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def finished(going: Going) -> Path:
    """The same run after its end."""
    written, _ = going.process.communicate(timeout=500)
    assert going.process.returncode == 0, written
    assert f"report in {going.path / 'report.html'}" in written
    return going.path


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that asked 10,000 questions, some of them hostile."""
    return crowded_run(tmp_path_factory.mktemp("runs") / "crowd")


@pytest.fixture(scope="session")
def serve(environment: dict[str, str]) -> Iterator[Callable[[Path], str]]:
    """Starts `visplay watch` on a run, once, and gives the page's address."""
    addresses: dict[Path, str] = {}
    with ExitStack() as stack:

        def started(run: Path) -> str:
            if run not in addresses:
                command = [*PROGRAM, "watch", str(run), "--port", "0"]
                server = stack.enter_context(
                    subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
                )
                stack.callback(server.kill)
                assert server.stdout is not None
                addresses[run] = next(word for word in server.stdout.readline().split() if word.startswith("http"))
            return addresses[run]

        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.fail("no Chromium on this machine: apt-get install chromium")
    # Chromium's own sandbox does not work for root, which is who runs in containers.
    sandbox = os.getuid() != 0
    with sync_playwright() as driver, driver.chromium.launch(executable_path=found, chromium_sandbox=sandbox) as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may not complain: whatever the console or a script reports fails the test."""
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # What the server refuses in words, the browser reports as well.
        if message.type in ("error", "warning") and "status of 400" not in message.text:
            complaints.append(message.text)

    def asked(dialog: Dialog) -> None:
        complaints.append(f"dialog: {dialog.message}")
        dialog.shutdown()

    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        opened = context.new_page()
        opened.on("console", heard)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("dialog", asked)
        yield opened
    assert complaints == []


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    """An image of the kind the lab's model knows."""
    image = Image.new("RGB", (64, 64), (240, 240, 250))
    ImageDraw.Draw(image).ellipse((16, 16, 44, 44), fill=(220, 30, 30))
    path = tmp_path / "red circle.png"
    image.save(path)
    return path
