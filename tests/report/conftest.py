"""An open run to write into and to look at from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.planted import SETTINGS, Written
from visplay.config import load_settings
from visplay.runs import RunDirectory


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    with RunDirectory.create(tmp_path / "run", load_settings("facts", SETTINGS)) as run:
        yield Written(run)
