"""Run directories: their files, and the lock of the process that writes.

    config.yaml     the settings, written once; a directory with this file is a run
    metrics.jsonl   see metrics.py
    state.json      the last saved step, and what is needed to continue after it
    checkpoints/    folders with weights, optimizers and question history: the last checkpoint and the pinned ones
                    ("accepted": the last accepted iteration, "best": the selected one); state.json names them
    summary.json    the result

A process may be killed at any moment. `open` then restores the run as of the last `save_state`: it removes the metrics
of later steps and incomplete folders.

Left out: Windows, which has no flock. Processes that are forked while the lock is held share it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

from visplay.config import Settings, dump_settings, load_settings
from visplay.errors import RunError
from visplay.runs.files import WRITING, new_folder, read_json, tidy, write_json, write_whole
from visplay.runs.metrics import MetricsLog, json_value

_LOCK = ".lock"


class RunDirectory:
    """An open run, made by `create` or `open`; until `close`, no other process can open its directory.

    Attributes:
        path: the directory.
        settings: the settings in config.yaml.
        metrics: log of the run's metrics.
    """

    def __init__(self, path: Path, settings: Settings, lock: int, metrics_bytes: int) -> None:
        self.path = path
        self.settings = settings
        self.metrics = MetricsLog(path / "metrics.jsonl", metrics_bytes)
        self._lock = lock

    @classmethod
    def create(cls, path: str | Path, settings: Settings) -> RunDirectory:
        """Start a run in a new or empty directory; RunError if it is not empty, is in use, or cannot be written."""
        path = Path(path)
        with _locked(path, check_free) as lock:
            write_whole(path / "config.yaml", dump_settings(settings))
            return cls(path, settings, lock, 0)

    @classmethod
    def open(cls, path: str | Path, trust_remote_code: bool = False) -> RunDirectory:
        """Open a run to continue it from the last `save_state`.

        RunError if there is no run, if it is in use, or if a user changed its files.
        """
        path = Path(path)
        with _locked(path, lambda path: check_run(path, "start one without --resume")) as lock:
            tidy(path)
            tidy(path / "checkpoints")
            metrics_bytes, _ = _read_saved(path)
            settings = load_settings(str(path / "config.yaml"), trust_remote_code=trust_remote_code)
            return cls(path, settings, lock, metrics_bytes)

    def save_state(self, state: dict[str, Any]) -> None:
        """Save the state after a finished step, JSON values; all metrics up to now belong to it."""
        write_json(self.path / "state.json", {"metrics_bytes": self.metrics.sync(), "state": state})

    def load_state(self) -> dict[str, Any] | None:
        """The last saved state; None if there is none."""
        return _read_saved(self.path)[1]

    def new_folder(self, name: str) -> AbstractContextManager[Path]:
        """Context manager: a folder that becomes, or replaces, `name` in the run if the block ends without an error."""
        return new_folder(self.path / name)

    def discard(self, keep: Collection[str]) -> None:
        """Remove every checkpoint whose name is not in `keep`."""
        for folder in (self.path / "checkpoints").glob("*/"):
            if folder.name not in keep:
                shutil.rmtree(folder)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json; a float that is not finite becomes null."""
        write_json(self.path / "summary.json", {key: json_value(value) for key, value in summary.items()})

    def close(self) -> None:
        """Release the lock."""
        self.metrics.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def check_run(path: Path, advice: str = "pass the folder given to `visplay evolve --out`") -> None:
    """Raise a RunError that ends with `advice` if the path is not a run directory."""
    if not (path / "config.yaml").is_file():
        raise RunError(f"no run at {path} (it has no config.yaml); {advice}")


def check_finished(path: Path) -> None:
    """Raise a RunError if the path is not a run, or if the run is not finished."""
    check_run(path)
    if not (path / "summary.json").is_file():
        raise RunError(f"the run at {path} is not finished; continue it with `visplay evolve --resume --out {path}`")


def check_free(path: Path) -> None:
    """Raise a RunError if a new run cannot use the path: a file, or a folder that is not empty."""
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; choose a directory")
    if (path / "config.yaml").exists():
        raise RunError(f"{path} already contains a run; continue it with --resume, or choose another directory")
    # A process that was killed while it created a run leaves its lock and a draft of the settings.
    if path.is_dir() and any(entry.name != _LOCK and not entry.name.endswith(WRITING) for entry in path.iterdir()):
        raise RunError(f"{path} is not empty and contains no run; choose another directory")


def in_use(path: Path) -> bool:
    """Whether a process has the run open; checks the lock without taking it, so that no other process is blocked."""
    try:
        lock = os.open(path / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        return _is_held(lock)
    finally:
        os.close(lock)


def _is_held(lock: int) -> bool:
    listed = Path("/proc/locks")
    if listed.exists():
        # "1: FLOCK  ADVISORY  WRITE 4242 fe:00:3096922 0 EOF": the sixth word ends with the file's inode.
        inode = str(os.fstat(lock).st_ino)
        rows = (line.split() for line in listed.read_text(encoding="ascii").splitlines())
        return any("FLOCK" in row and row[-3].rpartition(":")[2] == inode for row in rows)
    # Without /proc/locks (macOS, BSD), fcntl's F_GETLK also reports flock locks.
    query = struct.pack("qqihh", 0, 0, 0, fcntl.F_RDLCK, os.SEEK_SET)
    return bool(struct.unpack("qqihh", fcntl.fcntl(lock, fcntl.F_GETLK, query))[3] != fcntl.F_UNLCK)


@contextmanager
def _locked(path: Path, check: Callable[[Path], None]) -> Iterator[int]:
    """Take the lock of a run whose directory passes `check`; release it only if the block raises an error."""
    try:
        check(path)
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            check(path)  # another process may have written here before this process got the lock
            yield lock
        except BaseException:
            os.close(lock)
            raise
    except BlockingIOError:
        raise RunError(f"{path} is in use by another process; wait for it, or choose another directory") from None
    except OSError as error:
        raise RunError(f"cannot use {path}: {(error.strerror or str(error)).lower()}") from None


def _read_saved(path: Path) -> tuple[int, dict[str, Any] | None]:
    """The size of the metrics that belong to the saved state, bytes, and that state."""
    file = path / "state.json"
    if not file.exists():
        return 0, None
    saved = read_json(file)
    if not isinstance(saved.get("metrics_bytes"), int) or not isinstance(saved.get("state"), dict):
        raise RunError(f"{file} is damaged: its content is not a run's state; start a new run")
    return saved["metrics_bytes"], saved["state"]
