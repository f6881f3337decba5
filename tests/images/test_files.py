"""Only regular files are opened, and nothing waits for what is none."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from visplay.errors import ImageError
from visplay.images import files
from visplay.images.files import open_regular, read_regular


@pytest.fixture(autouse=True)
def seconds() -> Iterator[None]:
    """A test that waits for a pipe ends the process."""
    signal.alarm(20)
    yield
    signal.alarm(0)


def test_a_regular_file_is_read_whole_through_links(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link") == b"content"
    with open_regular(tmp_path / "a") as file:
        assert not os.get_inheritable(file.fileno())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pipe", "not a regular file"),
        ("link to a pipe", "not a regular file"),
        ("device", "not a regular file"),
        ("socket", "not a regular file"),
        ("folder", "not a regular file"),
        ("missing", "no such file"),
        ("broken", "broken link"),
        ("loop", "too many levels of symbolic links"),
        ("empty", "empty file"),
        ("n" * 300, "file name too long"),
        ("nul\0", "embedded null byte"),
        ("mem", "empty file"),
    ],
)
def test_anything_else_is_refused_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    links = {
        "link to a pipe": "pipe",
        "device": "/dev/zero",
        "broken": "nowhere",
        "loop": "loop",
        "mem": "/proc/self/mem",
    }
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(ImageError, match=reason):
            read_regular(tmp_path / name)


@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_what_turns_into_a_pipe_between_check_and_opening_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a").write_bytes(b"content")
    real = os.stat

    def stat(path: Path) -> os.stat_result:
        found = real(path)
        (tmp_path / "a").unlink()
        (tmp_path / "a").symlink_to(target)
        return found

    monkeypatch.setattr(files.os, "stat", stat)
    with pytest.raises(ImageError, match="not a regular file"):
        open_regular(tmp_path / "a")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(files.MOST_BYTES + 1)
    with pytest.raises(ImageError, match=r"536870913 bytes, more than 536870912"):
        read_regular(tmp_path / "sparse")
