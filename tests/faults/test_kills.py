"""kill -9 at the n-th change of a file, half-written ones among them: the run goes on to the same end.

VISPLAY_KILLS is the number of moments; they are drawn from VISPLAY_FAULTS_SEED.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from tests.faults.campaign import Moment, differences, evolve, on_changes
from tests.faults.conftest import Reference

pytestmark = pytest.mark.faults
KILLS, PARTS = int(os.environ.get("VISPLAY_KILLS", "100")), 20


class Kill:
    """A fault: the process is killed just before the change of this number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, run: Path) -> None:
        def act(number: int, moment: Moment, path: Path) -> None:
            if number == self.number:
                os.kill(os.getpid(), signal.SIGKILL)

        on_changes(run, act)


def moments(reference: Reference) -> list[int]:
    """The numbers at which a process dies: a stratified sample over the whole run."""
    drawn, count = random.Random(int(os.environ.get("VISPLAY_FAULTS_SEED", "0"))), len(reference.moments)
    kills = min(KILLS, count)
    return [drawn.randrange(n * count // kills, (n + 1) * count // kills) + 1 for n in range(kills)]


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_a_change_of_a_file_a_run_goes_on_to_the_same_end(
    part: int, reference: Reference, tmp_path: Path
) -> None:
    wrong = []
    for number in moments(reference)[part::PARTS]:
        run, place = tmp_path / "run", (number, reference.moments[number - 1])
        killed = evolve(reference.preset, run, Kill(number))
        assert killed.status == -signal.SIGKILL, (place, killed)
        ended = evolve(reference.preset, run)
        if ended.status or differences(run, reference.result):
            wrong.append((place, ended.status, ended.error, differences(run, reference.result)))
        shutil.rmtree(run)
    assert not wrong, "\n".join(map(repr, wrong))
