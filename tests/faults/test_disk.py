"""OSError 28, 30, 5 and 2 at every place that changes a file: one line, exit 2, and the run goes on to the same end.

The places are those that a run was seen to use. Each gets two of the errors, with LONG=1 all four.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from safetensors import SafetensorError

from tests.faults.campaign import Moment, evolve, left_behind, on_changes, result
from tests.faults.conftest import Reference

pytestmark = pytest.mark.faults
ERRORS = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.ENOENT)
PARTS = 10


class Fail:
    """A fault: the first change at a place fails with an error of the system, as the code that makes it reports it."""

    def __init__(self, place: Moment, number: int) -> None:
        self.place = place
        self.number = number

    def __call__(self, run: Path) -> None:
        failed: list[int] = []

        def act(number: int, moment: Moment, path: Path) -> None:
            if moment == self.place and not failed:
                failed.append(number)
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


@pytest.mark.parametrize("part", range(PARTS))
def test_a_disk_that_fails_is_one_line_and_the_run_goes_on_later(part: int, short: Reference, tmp_path: Path) -> None:
    wrong = []
    for rank, place in list(enumerate(dict.fromkeys(short.moments)))[part::PARTS]:
        run = tmp_path / "run"
        errors = ERRORS if os.environ.get("LONG") else (ERRORS[0], ERRORS[1 + rank % 3])
        for number in errors:
            ended = evolve(short.preset, run, Fail(place, number))
            # What is no part of the result, such as the report and TensorBoard's events, may be left out instead.
            if not (ended.one_line or (ended.status == 0 and result(run) == short.result)):
                wrong.append((place, errno.errorcode[number], ended))
        ended = evolve(short.preset, run)
        if ended.status or result(run) != short.result or left_behind(run):
            wrong.append((place, "afterwards", ended, left_behind(run)))
        shutil.rmtree(run)
    assert not wrong, "\n".join(map(repr, wrong))
