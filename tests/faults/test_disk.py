"""OSError 28, 30, 5 and 2 at every place that changes a file: one line, exit 2, and the run goes on to the same end.

The places are those that a run was seen to use. Each gets two of the errors, with LONG=1 all four.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from tests.faults.campaign import Moment, differences, evolve, left_behind, on_changes, result
from tests.faults.conftest import Reference

pytestmark = pytest.mark.faults
ERRORS = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.ENOENT)
PARTS = 20


class Fail:
    """A fault: the first change at a place fails with an error of the system, as the code that makes it reports it.

    The file `marker` says that it did.
    """

    def __init__(self, place: Moment, number: int, marker: Path) -> None:
        self.place = place
        self.number = number
        self.marker = marker

    def __call__(self, run: Path) -> None:
        def act(number: int, moment: Moment, path: Path) -> None:
            if moment == self.place and not self.marker.exists():
                self.marker.touch()
                raise self._error(path)

        on_changes(run, act)

    def _error(self, path: Path) -> Exception:
        told = f"{os.strerror(self.number)} (os error {self.number})"
        if self.place.event in ("create", "write") and path.suffix == ".pt":
            return RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")
        if self.place.event in ("create", "write") and path.suffix == ".safetensors":
            return SafetensorError(f"Error while serializing: I/O error: {told}")
        if self.place.event == "create" and path.name == "tokenizer.json":
            return Exception(told)
        return OSError(self.number, os.strerror(self.number), str(path))


def chain(reference: Reference, run: Path, faults: Iterable[tuple[Moment, int]]) -> list[object]:
    """Break a run at one place after the other, each in the process that continues it; returns what was wrong."""
    wrong: list[object] = []
    marker = run.with_name("failed")
    for place, number in faults:
        for _ in range(2):
            ended = evolve(reference.preset, run, Fail(place, number, marker))
            if marker.exists():
                break
            shutil.rmtree(run)  # the run was beyond the place
        else:
            wrong.append((place, "was not reached", ended))
        marker.unlink(missing_ok=True)
        # What is no part of the result, such as a page or TensorBoard's events, may be left out instead.
        left_out = ended.status == 0 and not ended.error and result(run) == reference.result
        if not (ended.one_line or left_out):
            wrong.append((place, errno.errorcode[number], ended))
    ended = evolve(reference.preset, run)
    if ended.status or result(run) != reference.result or left_behind(run):
        wrong.append(("afterwards", ended, left_behind(run), differences(run, reference.result)))
    return wrong


@pytest.mark.parametrize("part", range(PARTS))
def test_a_disk_that_fails_is_one_line_and_the_run_goes_on_later(part: int, short: Reference, tmp_path: Path) -> None:
    places = list(dict.fromkeys(short.moments))
    faults = []
    for rank, place in list(enumerate(places))[part * len(places) // PARTS : (part + 1) * len(places) // PARTS]:
        errors = ERRORS if os.environ.get("LONG") else (ERRORS[0], ERRORS[1 + rank % 3])
        faults += [(place, number) for number in errors]
    wrong = chain(short, tmp_path / "run", faults)
    assert not wrong, "\n".join(map(repr, wrong))
