"""Power cuts: a run lies on ext4 in a file; at moments the file is copied, which is what had reached the disk.

Needs LONG=1, root and a loop device.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Moment, differences, evolve, on_changes
from tests.faults.conftest import Reference

CUTS = 20
pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not os.environ.get("LONG"), reason="LONG=1 was not set"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file needs root"),
]


class Cut:
    """A fault that breaks nothing: it copies the file of the file system before changes of these numbers."""

    def __init__(self, image: Path, numbers: frozenset[int]) -> None:
        self.image = image
        self.numbers = numbers

    def __call__(self, run: Path) -> None:
        def act(number: int, moment: Moment, path: Path) -> None:
            if number in self.numbers:
                subprocess.run(["cp", "--sparse=always", self.image, f"{self.image}.{number}"], check=True)

        on_changes(run, act)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file with a mounted file system; the mount has the same name without its ending."""
    image, mount = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(200 * 2**20)
    mount.mkdir()
    made = shutil.which("mkfs.ext4") and not _shell("mkfs.ext4", "-q", "-F", image)
    if not made or _shell("mount", "-o", "loop", image, mount):
        pytest.skip("no ext4 file system can be mounted here")
    yield image
    _shell("umount", mount)


def _shell(*command: str | Path) -> int:
    return subprocess.run(command, capture_output=True).returncode


def test_after_a_power_cut_a_run_goes_on_to_the_same_end(disk: Path, reference: Reference, tmp_path: Path) -> None:
    drawn, count = random.Random(0), len(reference.moments)
    numbers = sorted(drawn.sample(range(1, count + 1), CUTS))
    ended = evolve(reference.preset, disk.with_suffix("") / "run", Cut(disk, frozenset(numbers)))
    assert ended.status == 0, ended.error
    mount = tmp_path / "after"
    mount.mkdir()
    wrong = []
    for number in numbers:
        image = Path(f"{disk}.{number}")
        assert _shell("mount", "-o", "loop", image, mount) == 0
        try:
            run = mount / "run"
            ended = evolve(reference.preset, run)
            if ended.status or differences(run, reference.result):
                wrong.append((number, reference.moments[number - 1], ended.error, differences(run, reference.result)))
        finally:
            _shell("umount", mount)
            image.unlink()
    assert not wrong, "\n".join(map(repr, wrong))
