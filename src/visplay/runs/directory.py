"""Run directories: their files, the lock of the process that writes, and recovery after an interruption.

    config.yaml     the settings, written once; a directory with this file is a run
    metrics.jsonl   see metrics.py
    state.json      the last saved step, and what is needed to continue after it
    checkpoints/    folders with weights, optimizers and question history: the last checkpoint and the pinned ones
                    ("accepted": the last accepted iteration, "best": the selected one); state.json names them
    summary.json    the result

A process may be killed at any moment. `open` then restores the run as of the last `save_state`: it removes the metrics
of later steps and incomplete folders. After a power failure this holds for files but not for the content of folders,
which is not synced.

Left out: Windows, which has no flock. Processes that are forked while the lock is held share it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from safetensors import SafetensorError

from visplay.config import Settings, dump_settings, load_settings
from visplay.errors import RunError
from visplay.runs.metrics import MetricsLog, json_value
from visplay.runs.state import read_json, sync_folder, write_json, write_whole

_LOCK = ".lock"
_WRITING = ".writing"
_REPLACED = ".replaced"


class RunDirectory:
    """An open run; until `close`, no other process can open its directory.

    Attributes:
        path: the directory.
        settings: the settings in config.yaml.
        metrics: log of the run's metrics.
    """

    def __init__(self, path: Path, settings: Settings, lock: int, metrics_bytes: int) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.settings = settings
        self.metrics = MetricsLog(path / "metrics.jsonl", metrics_bytes)
        self._lock = lock

    @classmethod
    def create(cls, path: str | Path, settings: Settings) -> RunDirectory:
        """Start a run in a new or empty directory.

        Raises:
            RunError: the directory is not empty, is in use, or cannot be written.
        """
        path = Path(path)
        with _one_line_errors(path):
            check_free(path)
            path.mkdir(parents=True, exist_ok=True)
            with _lock_unless_error(path) as lock:
                # Another process may have written a run here before this process got the lock.
                check_free(path)
                write_whole(path / "config.yaml", dump_settings(settings))
                return cls(path, settings, lock, 0)

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """Open a run to continue it from the last `save_state`.

        Raises:
            RunError: there is no run, it is in use, or its files were changed by hand.
            ConfigError: its config.yaml is invalid.
        """
        path = Path(path)
        if not (path / "config.yaml").is_file():
            raise RunError(f"no run at {path} (it has no config.yaml); start one without --resume")
        with _one_line_errors(path), _lock_unless_error(path) as lock:
            _tidy(path)
            _tidy(path / "checkpoints")
            size, _ = _read_saved(path)
            return cls(path, load_settings(str(path / "config.yaml")), lock, size)

    def save_state(self, state: dict[str, Any]) -> None:
        """Save the state after a finished step; all metrics up to now belong to it.

        Args:
            state: JSON values, such as {"iteration": 1, "phase": "reasoner", "step": 7, …}.
        """
        write_json(self.path / "state.json", {"metrics_bytes": self.metrics.sync(), "state": state})

    def load_state(self) -> dict[str, Any] | None:
        """The last saved state; None if there is none."""
        return _read_saved(self.path)[1]

    @contextmanager
    def checkpoint(self, name: str) -> Iterator[Path]:
        """Context manager: a folder that becomes `checkpoints/name` if the block ends without an error.

        A checkpoint of that name is replaced. To keep the state consistent, give each checkpoint a new name, save a
        state with this name, then `discard` the others.
        """
        parent = self.path / "checkpoints"
        parent.mkdir(exist_ok=True)
        with _folder(parent / name) as draft:
            yield draft

    def discard(self, keep: Iterable[str]) -> None:
        """Remove every checkpoint whose name is not in `keep`."""
        names = set(keep)
        for folder in (self.path / "checkpoints").glob("*/"):
            if folder.name not in names:
                shutil.rmtree(folder)

    @contextmanager
    def result(self, name: str) -> Iterator[Path]:
        """Context manager: a folder that becomes `name` in the run directory if the block ends without an error."""
        with _folder(self.path / name) as draft:
            yield draft

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json; a float that is not finite becomes null."""
        write_json(self.path / "summary.json", {key: json_value(value) for key, value in summary.items()})

    def close(self) -> None:
        """Close the metrics and release the lock."""
        self.metrics.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_run(path: Path) -> None:
    """Check that a path is a run directory.

    Raises:
        RunError: it is not.
    """
    if not (path / "config.yaml").is_file():
        raise RunError(f"no run at {path} (it has no config.yaml); pass the folder given to `visplay evolve --out`")


def check_finished(path: Path) -> None:
    """Check that a path is a finished run.

    Raises:
        RunError: it is not a run, or not finished.
    """
    check_run(path)
    if not (path / "summary.json").is_file():
        raise RunError(f"the run at {path} is not finished; continue it with `visplay evolve --resume --out {path}`")


def check_free(path: Path) -> None:
    """Check that a new run can use a directory.

    Raises:
        RunError: it is a file or is not empty.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; choose a directory")
    if (path / "config.yaml").exists():
        raise RunError(f"{path} already contains a run; continue it with --resume, or choose another directory")
    if path.is_dir() and any(not _is_leftover(entry) for entry in path.iterdir()):
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


def _is_leftover(path: Path) -> bool:
    """Whether a file is a leftover of a process that was killed while it created a run."""
    return path.name == _LOCK or (path.name.startswith(".") and path.name.endswith(_WRITING))


@contextmanager
def _lock_unless_error(path: Path) -> Iterator[int]:
    """Take the lock of a run; release it only if the block raises an error."""
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield lock
    except BlockingIOError:
        os.close(lock)
        raise RunError(f"{path} is in use by another process; wait for it, or choose another directory") from None
    except BaseException:
        os.close(lock)
        raise


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    try:
        yield
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


@contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that replaces `target` at the end, or is removed on an error.

    Raises:
        RunError: the folder cannot be written.
    """
    draft = target.with_name(f".{target.name}{_WRITING}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError | SafetensorError):
            reason = " ".join(str(error).split())
            raise RunError(f"cannot write {target}: {reason}; fix that, then continue with --resume") from None
        raise
    # A rename cannot replace a folder that is not empty. If the process is killed between the two renames, `_tidy`
    # undoes the first.
    replaced = target.with_name(f".{target.name}{_REPLACED}")
    if target.exists():
        os.replace(target, replaced)
    os.replace(draft, target)
    sync_folder(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _tidy(place: Path) -> None:
    """Finish or undo the folder changes of a killed process in `place`."""
    for left in place.glob(f".*{_REPLACED}"):
        target = place / left.name[1 : -len(_REPLACED)]
        if target.exists():
            shutil.rmtree(left)
        else:
            os.replace(left, target)
    for left in place.glob(f".*{_WRITING}"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()
