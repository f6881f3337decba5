"""A run's directory: who may write to it, and what is found there after an interruption.

    config.yaml     the settings, written once; its presence makes the directory a run
    metrics.jsonl   see metrics.py
    state.json      the last finished step and what is needed to go on from it
    checkpoints/    weights, optimizers and question history, a folder each: the last one, and those that are pinned
                    ("accepted": the last accepted iteration, "best": the selected one); state.json names them
    summary.json    the result

Killed at any moment, a run is found as `save_state` last left it: metrics of later steps
are cut off, half-written folders removed. After a loss of power the same holds for all
files but those in folders, which are not forced to the disk.

Left out: Windows, which has no flock; the lock is shared with processes forked while it is held.
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
from visplay.runs.metrics import MetricsLog, plain
from visplay.runs.state import read_json, sync_folder, write_json, write_whole

_LOCK = ".lock"
_WRITING = ".writing"
_REPLACED = ".replaced"


class RunDirectory:
    """An open run; the only one with this directory until it is closed.

    Attributes:
        path: the directory.
        settings: those the run was created with.
        metrics: where measurements go.
    """

    def __init__(self, path: Path, settings: Settings, lock: int, metrics_bytes: int) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.settings = settings
        self.metrics = MetricsLog(path / "metrics.jsonl", metrics_bytes)
        self._lock = lock

    @classmethod
    def create(cls, path: str | Path, settings: Settings) -> RunDirectory:
        """Begin a run in a new or empty directory.

        Raises:
            RunError: the directory holds a run or something else, is in use, or cannot be written.
        """
        path = Path(path)
        with _one_line_errors(path):
            check_free(path)
            path.mkdir(parents=True, exist_ok=True)
            with _lock_unless_error(path) as lock:
                # Another process may have begun a run here, and ended, before the lock was ours.
                check_free(path)
                write_whole(path / "config.yaml", dump_settings(settings))
                return cls(path, settings, lock, 0)

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """Go on with a run: everything is as the last `save_state` left it.

        Raises:
            RunError: there is no run, it is in use, or its files were changed by hand.
            ConfigError: its config.yaml is not valid.
        """
        path = Path(path)
        if not (path / "config.yaml").is_file():
            raise RunError(f"no run at {path} (it has no config.yaml); begin one without --resume")
        with _one_line_errors(path), _lock_unless_error(path) as lock:
            _tidy(path)
            _tidy(path / "checkpoints")
            size, _ = _read_saved(path)
            return cls(path, load_settings(str(path / "config.yaml")), lock, size)

    def save_state(self, state: dict[str, Any]) -> None:
        """Remember that a step is finished; metrics up to now belong to it.

        Args:
            state: JSON values, such as {"iteration": 1, "phase": "reasoner", "step": 7, …}.
        """
        write_json(self.path / "state.json", {"metrics_bytes": self.metrics.sync(), "state": state})

    def load_state(self) -> dict[str, Any] | None:
        """What `save_state` was last given; None before the first."""
        return _read_saved(self.path)[1]

    @contextmanager
    def checkpoint(self, name: str) -> Iterator[Path]:
        """A folder to fill; it becomes `checkpoints/name` if the block ends without an error.

        A checkpoint of that name is replaced. To be sure of finding what the state speaks
        of, give each checkpoint its own name, save a state that holds it, then `discard` the others.
        """
        parent = self.path / "checkpoints"
        parent.mkdir(exist_ok=True)
        with _folder(parent / name) as draft:
            yield draft

    def discard(self, keep: Iterable[str]) -> None:
        """Remove every checkpoint that is not named in `keep`."""
        names = set(keep)
        for folder in (self.path / "checkpoints").glob("*/"):
            if folder.name not in names:
                shutil.rmtree(folder)

    @contextmanager
    def result(self, name: str) -> Iterator[Path]:
        """A folder to fill; it becomes `name` in the run directory if the block ends without an error."""
        with _folder(self.path / name) as draft:
            yield draft

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json; a float that is not finite becomes null."""
        write_json(self.path / "summary.json", {key: plain(value) for key, value in summary.items()})

    def close(self) -> None:
        """Let others use the directory."""
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
    """Refuse a path that is no run directory.

    Raises:
        RunError: it is none.
    """
    if not (path / "config.yaml").is_file():
        raise RunError(f"no run at {path} (it has no config.yaml); name the folder given to `visplay evolve --out`")


def check_finished(path: Path) -> None:
    """Refuse a path that is no finished run.

    Raises:
        RunError: it is no run, or an unfinished one.
    """
    check_run(path)
    if not (path / "summary.json").is_file():
        raise RunError(f"the run at {path} is not finished; go on with `visplay evolve --resume --out {path}`")


def check_free(path: Path) -> None:
    """Refuse a directory that a new run could not have, before anything is prepared for it.

    Raises:
        RunError: it is a file, or holds a run or anything else.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; choose a directory")
    if (path / "config.yaml").exists():
        raise RunError(f"{path} already holds a run; go on with --resume, or choose another directory")
    if path.is_dir() and any(not _is_trace(entry) for entry in path.iterdir()):
        raise RunError(f"{path} is not empty and holds no run; choose another directory")


def in_use(path: Path) -> bool:
    """Whether a process holds the run; the lock is looked at and never taken, so nobody is kept out meanwhile."""
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
        # "1: FLOCK  ADVISORY  WRITE 4242 fe:00:3096922 0 EOF": the sixth word ends in the file's number.
        inode = str(os.fstat(lock).st_ino)
        rows = (line.split() for line in listed.read_text(encoding="ascii").splitlines())
        return any("FLOCK" in row and row[-3].rpartition(":")[2] == inode for row in rows)
    # Where there is no such list (macOS, BSD) both kinds of lock are of one family, and this question sees ours.
    asked = struct.pack("qqihh", 0, 0, 0, fcntl.F_RDLCK, os.SEEK_SET)
    return bool(struct.unpack("qqihh", fcntl.fcntl(lock, fcntl.F_GETLK, asked))[3] != fcntl.F_UNLCK)


def _is_trace(path: Path) -> bool:
    """What a process that was killed while it created a run leaves behind."""
    return path.name == _LOCK or (path.name.startswith(".") and path.name.endswith(_WRITING))


@contextmanager
def _lock_unless_error(path: Path) -> Iterator[int]:
    """Take the lock of a run, and give it back only if the block fails."""
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
    """Bytes of metrics that belong to the saved state, and that state."""
    file = path / "state.json"
    if not file.exists():
        return 0, None
    saved = read_json(file)
    if not isinstance(saved.get("metrics_bytes"), int) or not isinstance(saved.get("state"), dict):
        raise RunError(f"{file} is damaged: not what a run writes; begin a new run")
    return saved["metrics_bytes"], saved["state"]


@contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target` that takes its place at the end; on error it is removed.

    Raises:
        RunError: it cannot be written.
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
            raise RunError(f"cannot write {target}: {reason}; mend that, then go on with --resume") from None
        raise
    # A folder that is not empty cannot be renamed over; `_tidy` undoes a half of this.
    replaced = target.with_name(f".{target.name}{_REPLACED}")
    if target.exists():
        os.replace(target, replaced)
    os.replace(draft, target)
    sync_folder(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _tidy(place: Path) -> None:
    """Finish or undo what a killed process was doing to the folders in `place`."""
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
