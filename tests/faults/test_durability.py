"""What is renamed or named by a state is on the disk before: files, the folders that hold their names, and metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import Moment, evolve, on_changes
from tests.faults.conftest import Reference

pytestmark = pytest.mark.faults


class Watch:
    """A fault that breaks nothing: it writes down what a power cut could still take when a name for it appears."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __call__(self, run: Path) -> None:
        """Follow the changes: `unsynced` has files by what was last done to them, and folders with new names."""
        unsynced: dict[Path, str] = {}
        sizes: dict[Path, int] = {}
        log = self.log.open("w")

        def lost(below: Path) -> list[str]:
            found = [f"{path}: {what}" for path, what in unsynced.items() if path.is_relative_to(below)]
            grown = [p for p, size in sizes.items() if p.is_relative_to(below) and p.exists() and _size(p) != size]
            return found + [f"{path}: grew after its sync" for path in grown]

        def act(number: int, moment: Moment, path: Path) -> None:
            if "tensorboard" in path.parts or path.name in (".lock",):
                return
            if moment.event in ("open", "create", "write"):
                unsynced[path] = moment.event
                unsynced.setdefault(path.parent, f"new name {path.name}")
            elif moment.event == "os.mkdir" and not path.exists():
                unsynced[path] = "new folder"
                unsynced.setdefault(path.parent, f"new name {path.name}")
            elif moment.event == "fsync":
                unsynced.pop(path, None)
                sizes[path] = _size(path)
            elif moment.event == "os.rename":
                for told in lost(path):
                    print(f"{number}: {path} renamed, {told}", file=log, flush=True)
                _renamed(path)
            elif moment.event in ("os.remove", "os.rmdir"):
                for known in (unsynced, sizes):
                    known.pop(path, None)

        def _renamed(path: Path) -> None:
            for known in (unsynced, sizes):
                for old in [old for old in known if old.is_relative_to(path)]:
                    del known[old]
            unsynced.pop(path.parent, None)  # the draft's name is gone; the new one has to be synced
            if path.name.startswith(".state."):
                for told in lost(run.resolve()):
                    print(f"{path} named what is not synced: {told}", file=log, flush=True)
            unsynced[path.parent] = f"new name of {path.name}"

        on_changes(run, act)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def test_everything_is_synced_before_a_name_for_it_appears(reference: Reference, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ended = evolve(reference.preset, tmp_path / "run", Watch(log))
    assert ended.status == 0, ended.error
    assert log.read_text() == ""


def test_the_watch_sees_what_is_not_synced(reference: Reference, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ended = evolve(reference.preset, tmp_path / "run", Careless(log))
    assert ended.status == 0, ended.error
    told = log.read_text()
    assert all(name in told for name in ("metrics.jsonl", "iteration-1.parquet", "model.safetensors", "optimizer.pt"))


class Careless(Watch):
    """The same, of a process in which syncing does nothing."""

    def __call__(self, run: Path) -> None:
        import visplay.runs.files

        visplay.runs.files._sync = lambda path: None
        super().__call__(run)
        import os

        os.fsync = lambda descriptor: None
