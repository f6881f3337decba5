"""The exit status of several processes, and the one line about a process that ended badly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import pytest

from visplay.distributed import launch as module
from visplay.distributed.launch import launch
from visplay.errors import DistributedError

LEAVE = "import os, sys; exec(os.environ['RANK_' + os.environ['RANK']])"
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[subprocess.Popen[bytes]]:
    """The processes that were started, which run the Python code in RANK_0, RANK_1, …"""
    started = []

    def start(
        arguments: Sequence[str], environment: Mapping[str, str], log: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", LEAVE], env={**os.environ, **environment}))
        return started[-1]

    monkeypatch.setattr(module, "start", start)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return started


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("sys.exit(0)", "sys.exit(0)", 0),
        ("sys.exit(1)", SLEEP, 1),
        ("sys.exit(3)", SLEEP, 3),
        (SLEEP, "sys.exit(2)", 2),
        (SLEEP, "sys.exit(1)", "process 2 of 2 ended by itself (exit status 1)"),
        (SLEEP, "os._exit(134)", "process 2 of 2 ended by itself (exit status 134)"),
        ("sys.exit(130)", SLEEP, "process 1 of 2 ended by itself (exit status 130)"),
        (SLEEP, "os.kill(os.getpid(), 9)", "process 2 of 2 was killed (SIGKILL)"),
        ("os.abort()", SLEEP, "process 1 of 2 was killed (SIGABRT)"),
        (SLEEP, "os.kill(os.getpid(), 40)", "process 2 of 2 was killed (signal 40)"),
    ],
)
def test_the_first_failure_is_the_status_or_is_named(
    first: str,
    second: str,
    status: int | str,
    programs: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("RANK_0", first)
    monkeypatch.setenv("RANK_1", second)
    if isinstance(status, int):
        assert launch([], 2) == status
    else:
        with pytest.raises(DistributedError) as told:
            launch([], 2)
        assert str(told.value).startswith(status) and str(told.value).endswith("--resume --out DIR`")
    assert [program.poll() is None for program in programs] == [False, False]
    assert list(tmp_path.iterdir()) == []


def test_who_was_killed_is_named_and_not_who_missed_it(
    programs: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK_0", "sys.exit(2)")
    monkeypatch.setenv("RANK_1", "os.kill(os.getpid(), 9)")
    monkeypatch.setattr(module.time, "sleep", lambda _: [program.wait() for program in programs])
    with pytest.raises(DistributedError, match="process 2 of 2 was killed"):
        launch([], 2)


def test_the_meeting_place_is_this_users_alone_and_the_sockets_this_machines(
    programs: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth0")
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "eth0")
    facts = (
        "place = os.environ['VISPLAY_RENDEZVOUS']; open(os.environ['FACTS'] + os.environ['RANK'], 'w').write("
        'f\'{os.stat(os.path.dirname(place)).st_mode:o} {os.environ["GLOO_SOCKET_IFNAME"]} '
        '{os.environ["NCCL_SOCKET_IFNAME"]} {os.environ["WORLD_SIZE"]}\')'
    )
    monkeypatch.setenv("RANK_0", facts)
    monkeypatch.setenv("RANK_1", facts)
    monkeypatch.setenv("FACTS", str(tmp_path / "facts-"))
    old = os.umask(0)
    try:
        assert launch([], 2) == 0
    finally:
        os.umask(old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts-0", "facts-1"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"40700 lo =lo 2"}


def test_a_folder_that_cannot_be_made_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(DistributedError, match="cannot start 2 processes"):
        launch([], 2)
