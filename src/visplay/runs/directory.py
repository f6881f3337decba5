"""Run directories: their files, and the lock of the process that writes.

    config.yaml     the settings in force; a directory with this file is a run
    events.jsonl    see events.py
    metrics.jsonl   see metrics.py
    state.json      the last saved step, and what is needed to continue after it; see saved_state.py
    images.json     size and hash of every image, and lost_images.json: see selfplay/run_images.py
    checkpoints/    folders with weights, optimizers and question history: the last two checkpoints and the pinned ones
                    ("accepted": the last accepted iteration, "best": the selected one); the states name them
    summary.json    the result

A process may be killed at any moment. `open` then restores the run as of the last `save_state`: it removes the metrics
of later steps and incomplete folders. If the last state or a file that it names is damaged, `open` takes the state of
the checkpoint before, and the steps since are repeated.

Left out: Windows, which has no flock. Processes that are forked while the lock is held share it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import stat
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from visplay.config import Settings, check_settings, dump_settings, load_settings
from visplay.config.changes import Change, changed_settings, check_resumable, words
from visplay.config.loading import change_setting
from visplay.errors import RunError, reason
from visplay.runs.events import Events
from visplay.runs.files import WRITING, make_folder, new_folder, tidy, write_json, write_whole
from visplay.runs.manifest import Entry, entry, write_manifest
from visplay.runs.metrics import MetricsLog, json_value
from visplay.runs.saved_state import BEFORE, STATE, SavedState, last_usable
from visplay.types import StepId

_LOCK = ".lock"
_CHECKPOINT = re.compile(r"\d+-\w+-\d+")
_OTHERS = ("tensorboard", "wandb")  # folders of trackers, which visplay never reads
_READ_AGAIN = ("silver", "acceptance", "measurements")  # folders whose files a run reads again


class RunDirectory:
    """An open run, made by `create` or `open`; until `close`, no other process can open its directory.

    Attributes:
        path: the directory.
        settings: the settings in config.yaml.
        metrics: log of the run's metrics.
        events: what happened to the run beside its steps.
        changes: what `open` changed, in words; empty if nothing.
        notice: one line that says what was damaged when the run was opened; empty if nothing was.
    """

    def __init__(self, path: Path, settings: Settings, lock: int, saved: SavedState, notice: str = "") -> None:
        self.path = path
        self.settings = settings
        self.notice = notice
        self.metrics = MetricsLog(path / "metrics.jsonl", saved.metrics["size"])
        self.events = Events(path)
        self.changes = ""
        self._lock = lock
        self._saved = saved
        self._before: SavedState | None = None
        with suppress(RunError):  # without it there is only one state to continue from
            self._before = SavedState.read(path / BEFORE)
        self._entries: dict[Path, tuple[tuple[int, int], Entry]] = {}

    @classmethod
    def create(cls, path: str | Path, settings: Settings, processes: int = 1) -> RunDirectory:
        """Start a run in a new or empty directory; RunError if it is not empty, is in use, or cannot be written."""
        path = Path(path)
        with _locked(path, check_free) as lock:
            write_whole(path / "config.yaml", dump_settings(settings))
            saved = SavedState()
            saved.write(path / STATE)
            run = cls(path, settings, lock, saved)
            run._write_begun(processes)
            return run

    @classmethod
    def open(
        cls, path: str | Path, settings: Settings | None = None, processes: int | None = None, check: bool = True
    ) -> RunDirectory:
        """Open a run to continue it from the last `save_state`, or from the one of the checkpoint before.

        Args:
            settings: those to continue with, which become config.yaml; None: those of config.yaml, unchecked.
            processes: how many share the work from now on; None: as before.
            check: read all files that the state names; leave it out to use the results of a finished run.
        Raises:
            RunError: there is no run, it is in use, or files of both states are damaged.
            ConfigError: see `check_changes`.
        """
        path = Path(path)
        with _locked(path, lambda path: check_run(path, "start one without --resume")) as lock:
            tidy(path)
            tidy(path / "checkpoints")
            saved, notice = last_usable(path) if check else (SavedState.read(path / STATE), "")
            written = load_settings(str(path / "config.yaml"))
            changes = check_changes(path, settings) if settings else {}
            run = cls(path, settings or written, lock, saved, notice)
            before = run.events.processes()
            if processes and before and processes != before:
                changes["processes"] = Change(before, processes)
            if run.settings != written:
                write_whole(path / "config.yaml", dump_settings(run.settings))
            if not run.events.lines() and not saved.state:  # the process was killed while it created the run
                run._write_begun(processes or 1)
            elif changes or (settings and run.events.settings() is None):
                state = saved.state
                last = StepId(state["iteration"], state["phase"], state["step"]) if state else None
                run._write_event("resumed", last, changes, processes or before or 1)
            run.changes = words(changes)
            return run

    def change_settings(self, values: Mapping[str, Any], event: str, at: StepId) -> str:
        """Go on with other values of settings, by dotted key, from a step on; returns the changes in words."""
        changed = self.settings.model_dump(mode="json")
        for key, value in values.items():
            change_setting(changed, key, value)
        before, self.settings = (
            self.settings,
            check_settings(changed, event, trust_remote_code=self.settings.trust_remote_code),
        )
        changes = changed_settings(before, self.settings)
        write_whole(self.path / "config.yaml", dump_settings(self.settings))
        self._write_event(event, at, changes, self.events.processes() or 1)
        return words(changes)

    def _write_begun(self, processes: int) -> None:
        self.events.append("begun", None, settings=self.settings.model_dump(mode="json"), processes=processes)

    def _write_event(self, event: str, at: StepId | None, changes: Mapping[str, Change], processes: int) -> None:
        settings = self.settings.model_dump(mode="json")
        self.events.append(event, at, changes=changes, settings=settings, processes=processes)

    def save_state(self, state: dict[str, Any]) -> None:
        """Save the state after a finished step, JSON values; all metrics and files up to now belong to it."""
        saved = SavedState(self.metrics.sync(), self._files(), state)
        if self._saved.checkpoint not in ("", saved.checkpoint):
            self._saved.write(self.path / BEFORE)
            self._before = self._saved
        saved.write(self.path / STATE)
        self._saved = saved

    def load_state(self) -> dict[str, Any] | None:
        """The last saved state; None if there is none."""
        return self._saved.state or None

    @contextmanager
    def new_folder(self, name: str) -> Iterator[Path]:
        """Context manager: a folder that becomes, or replaces, `name` in the run if the block ends without an error.

        A folder in checkpoints/ gets a manifest.
        """
        with new_folder(self.path / name) as folder:
            yield folder
            if name.startswith("checkpoints/"):
                write_manifest(folder)

    def discard(self, keep: Collection[str]) -> None:
        """Remove every checkpoint whose name is neither in `keep` nor in the state of the checkpoint before."""
        kept = {*keep, *(self._before.checkpoints if self._before else ())}
        for folder in (self.path / "checkpoints").glob("*/"):
            # A stranger's link may lead to a user's folders.
            strange = self.path.joinpath("checkpoints").is_symlink() and not _CHECKPOINT.fullmatch(folder.name)
            if folder.name not in kept and not strange:
                shutil.rmtree(folder)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json; a float that is not finite becomes null."""
        write_json(self.path / "summary.json", {key: json_value(value) for key, value in summary.items()})

    def _files(self) -> dict[str, Entry]:
        """The entries of the files that the run reads again, each read once after it changed."""
        found = {}
        folders = (file for name in _READ_AGAIN for file in sorted((self.path / name).glob("[!.]*")))
        for file in (self.path / "images.json", *folders):
            if file.is_file():
                seen = file.stat()
                stamp = (seen.st_mtime_ns, seen.st_size)
                if self._entries.get(file, (None,))[0] != stamp:
                    self._entries[file] = (stamp, entry(file))
                found[str(file.relative_to(self.path))] = self._entries[file][1]
        return found

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
    """Raise a RunError that ends with `advice` if the path is not a run directory; or if a FIFO or the like is in it.

    To open a FIFO would wait for a writer.
    """
    if not (path / "config.yaml").is_file():
        raise RunError(f"no run at {path} (it has no config.yaml); {advice}")
    for place, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name not in _OTHERS]
        for file in (Path(place, name) for name in files):
            with suppress(OSError):  # a broken link, or a draft that has gone
                if not stat.S_ISREG(file.stat().st_mode):
                    raise RunError(f"{file} is no regular file, and no run writes one; remove it")


def check_changes(path: Path, settings: Settings) -> dict[str, Change]:
    """What `settings` change in a run, since its last sitting; ConfigError if it keeps one of them to its end."""
    before = Events(path).settings()
    changes = changed_settings(before, settings) if before else {}
    check_resumable(changes, settings)
    return changes


def check_finished(path: Path) -> None:
    """Raise a RunError if the path is not a run, or if the run is not finished."""
    check_run(path)
    if not (path / "summary.json").is_file():
        again = f"visplay evolve --resume --out {shlex.quote(str(path))}"
        raise RunError(f"the run at {path} is not finished; continue it with `{again}`")


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
        make_folder(path)
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
        raise RunError(f"cannot use {path}: {reason(error)}") from None
