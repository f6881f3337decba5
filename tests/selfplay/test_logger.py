"""What a run shows on a terminal, and that it leaves the terminal as it was."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from visplay.config import load_settings
from visplay.runs import RunDirectory
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.schedule import INPUTS_FILE, InputCounts
from visplay.types import StepId

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, None])
def test_the_cursor_is_shown_again_however_a_run_ends(tmp_path: Path, error: type[BaseException] | None) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with RunDirectory.create(tmp_path / "run", load_settings("default")) as run:
        try:
            with RunLogger(run, run.settings, console) as logger, logger.step(StepId(1, "questioner", 0)) as record:
                record["reward"] = 0.5
                assert screen.getvalue().count(HIDE) == 1 and SHOW not in screen.getvalue()
                if error is not None:
                    raise error
        except (KeyboardInterrupt, ValueError):
            pass
    written = screen.getvalue()
    assert written.rindex(SHOW) > written.rindex(HIDE)


def test_a_step_that_failed_leaves_no_line(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", load_settings("default")) as run:
        logger = RunLogger(run, run.settings, Console(quiet=True))
        with pytest.raises(ZeroDivisionError), logger.step(StepId(1, "questioner", 0)):
            raise ZeroDivisionError
        assert (run.path / "metrics.jsonl").read_bytes() == b""


def test_what_a_run_counted_is_written_and_planned_by(tmp_path: Path) -> None:
    inputs = InputCounts(images=4, held_out=0, validation_items=0, suites=0)
    with RunDirectory.create(tmp_path / "run", load_settings("default")) as run:
        logger = RunLogger(run, run.settings, Console(quiet=True))
        assert logger.schedule.steps("accept", 1) == 1
        logger.begin(inputs)
        assert logger.schedule.steps("accept", 1) == logger.schedule.steps("measure", 1) == 0
        assert json.loads((run.path / INPUTS_FILE).read_text()) == asdict(inputs)
