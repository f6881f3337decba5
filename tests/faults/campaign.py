"""What the faults of files share: a run that takes a second or two, processes to break, and what a run came to.

Every run is a process of its own, forked from a server that has imported all it needs. It has two iterations with all
phases, of a random model with a scripted engine, so that the figures depend on every weight that a checkpoint holds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

PRESET = """
model: {model}
images: {folder}/images
iterations: 2
engine: {{type: custom, import_path: "tests.faults.scripted:Scripted"}}
questioner: {{steps: 2, images_per_step: 2, group_size: 2, votes: 3, history_size: 8, learning_rate: 1.0e-2}}
silver: {{images: 4, questions_per_image: 1, votes: 3, gates: [answered]}}
reasoner: {{steps: 2, questions_per_step: 2, group_size: 4}}
rl: {{learning_rate: 1.0e-2}}
acceptance: {{images: 2, questions_per_image: 1, votes: 2, tolerance: 0.9}}
evaluation: {{suites: [{{type: file, path: {folder}/labelled.jsonl}}], sampled: false}}
"""
_LEFT = re.compile(r"\.(writing|replaced|part)$")


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status, negative for a signal, and what it wrote to standard error and output."""

    status: int
    error: str
    output: str

    @property
    def one_line(self) -> bool:
        """Whether it said what is wrong in a single line and exited with 2."""
        return self.status == 2 and self.error.startswith("visplay: ") and self.error.count("\n") == 1


def prepare(folder: Path, model: Path) -> Path:
    """Images, labelled items and the preset of a run in `folder`; returns the preset."""
    random = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(10):
        pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    rows = [{"image": f"images/{n}.png", "question": f"what is {n}?", "answer": "red"} for n in range(3)]
    (folder / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    preset = folder / "preset.yaml"
    preset.write_text(PRESET.format(model=model, folder=folder))
    return preset


def evolve(preset: Path, run: Path, fault: Callable[[Path], None] | None = None, *fixed: str) -> Ended:
    """Begin a run, or continue it where it has begun; the process calls `fault` with the run's path first."""
    resumes = (run / "config.yaml").exists()
    how = ["--resume"] if resumes else ["--preset", str(preset)]
    arguments = ["evolve", "--out", str(run), "--import", "tests.faults.scripted", *how, *fixed]
    return command(arguments, run, fault)


def command(arguments: list[str], run: Path, fault: Callable[[Path], None] | None = None) -> Ended:
    """Run a command of visplay in a process of its own."""
    files = [run.with_name(f"{run.name}.{name}") for name in ("stderr", "stdout")]
    process = _warm().Process(target=_run, args=(arguments, run, fault, *files))
    process.start()
    process.join(120)
    if process.is_alive():
        process.kill()
        process.join()
    error, output = (file.read_text(errors="replace") if file.exists() else "" for file in files)
    for file in files:
        file.unlink(missing_ok=True)
    assert process.exitcode is not None
    return Ended(process.exitcode, error, output)


def _warm() -> ForkServerContext:
    """Processes forked from a server that has imported `warm.py`; see `tests.real_processes.preloaded`."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.warm"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


def _run(arguments: list[str], run: Path, fault: Callable[[Path], None] | None, error: Path, output: Path) -> None:
    torch.set_num_threads(1)
    from visplay.cli.main import main

    status = 70
    with error.open("w") as sys.stderr, output.open("w") as sys.stdout:
        try:
            if fault is not None:
                fault(run)
            status = main(arguments)
        except BaseException:
            traceback.print_exc()
    os._exit(status)


@dataclass(frozen=True)
class Moment:
    """A change of a file in a run: what happens, and to which file, with drafts and numbers made alike."""

    event: str
    file: str


def on_changes(run: Path, act: Callable[[int, Moment, Path], None]) -> None:
    """Call `act` just before each change of a file below `run`, with its number from 1 and its path.

    Changes are openings for writing, new folders, renames, removals, syncs and, for files that native code writes and
    for lines of metrics, the moment at which half of the file is there (the event "write").
    """
    place, count = str(run.resolve()), [0]

    def change(event: str, path: Any) -> None:
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if text.startswith(place):
            count[0] += 1
            act(count[0], Moment(event, _alike(event, text[len(place) :])), Path(text))

    def audit(event: str, values: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(values[2], int) and values[2] & (os.O_WRONLY | os.O_RDWR):
            change("open", values[0])
        elif event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"):
            change(event, _full(values[0], values[-1]))

    sys.addaudithook(audit)
    _patch_syncs(change)
    _patch_writers(change)


def _full(path: Any, folder: Any) -> Any:
    """A path that `shutil.rmtree` names within an open folder, by its number."""
    if isinstance(folder, int) and folder > 0 and not os.path.isabs(path):
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
    return path


def _alike(event: str, path: str) -> str:
    """A path with the names of steps, roles and, where all are treated alike, files made alike."""
    if event in ("fsync", "os.remove", "os.rmdir") and re.search(r"^/(checkpoints/|\..*\.writing)", path):
        path = re.sub(r"(/\.?)[^/.]+((\.writing)?)(/.*)?$", r"\1X\2/X", path)
    path = re.sub(r"tfevents.*", "tfevents", path)
    path = re.sub(r"/(\.?)\d+-\w+-\d+", r"/\1STEP", path)
    return re.sub(r"\d+", "N", re.sub(r"questioner|reasoner", "ROLE", path))


def _patch_syncs(change: Callable[..., None]) -> None:
    sync = os.fsync

    def synced(descriptor: int) -> None:
        change("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    os.fsync = synced


def _patch_writers(change: Callable[..., None]) -> None:
    """Native code opens and writes without an audit event; its functions are wrapped instead."""
    import pyarrow.parquet
    import transformers.modeling_utils as modeling
    from transformers import PreTrainedTokenizerFast

    from visplay.runs.metrics import MetricsLog

    def wrapped(write: Callable[..., Any], path_at: int) -> Callable[..., Any]:
        def written(*values: Any, **named: Any) -> Any:
            path = Path(os.fsdecode(values[path_at]))
            change("create", path)
            found = write(*values, **named)
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            change("write", path)
            path.write_bytes(whole)
            return found

        return written

    torch.save = wrapped(torch.save, 1)
    modeling.safe_save_file = wrapped(modeling.safe_save_file, 1)
    pyarrow.parquet.write_table = wrapped(pyarrow.parquet.write_table, 1)
    saved = PreTrainedTokenizerFast._save_pretrained

    def save_tokenizer(self: Any, save_directory: Any, *values: Any, **named: Any) -> Any:
        change("create", Path(save_directory) / "tokenizer.json")
        return saved(self, save_directory, *values, **named)

    PreTrainedTokenizerFast._save_pretrained = save_tokenizer
    append = MetricsLog.append

    def half_line(self: MetricsLog, *values: Any, **named: Any) -> Any:
        before = self._path.stat().st_size
        line = append(self, *values, **named)
        whole = self._path.read_bytes()
        os.truncate(self._path, (before + len(whole)) // 2)
        change("write", self._path)
        with contextlib.suppress(OSError):
            os.truncate(self._path, before)
            self._file.write(whole[before:])
        return line

    MetricsLog.append = half_line


def result(run: Path) -> dict[str, Any]:
    """All that a run came to, but what may differ between two equal runs: times, and pages that are drawn from it."""
    found: dict[str, Any] = {"files": sorted(_files(run))}
    for file in _files(run):
        path = run / file
        if path.name == "metrics.jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[file] = [{key: value for key, value in line.items() if key != "time"} for line in lines]
        elif path.name in ("state.json", "state.before.json", "summary.json"):
            found[file] = _timeless(json.loads(path.read_text()))
        else:
            found[file] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _files(run: Path) -> Iterator[str]:
    for path in run.rglob("*"):
        name = str(path.relative_to(run))
        if path.is_file() and not name.startswith("tensorboard/") and name not in ("report.html", "results.md"):
            yield name


def _timeless(values: Any) -> Any:
    """JSON values without durations and the checksums of what holds durations."""
    if isinstance(values, dict):
        out = ("seconds", "peak_memory_bytes", "metrics")
        top = {"sha256"} if "state" in values else set()
        return {key: _timeless(value) for key, value in values.items() if key not in (*out, *top)}
    return values


def differences(run: Path, expected: dict[str, Any]) -> list[str]:
    """The files in which a run differs from what it should have come to, and drafts that it left."""
    found = result(run)
    return [name for name in {**found, **expected} if found.get(name) != expected.get(name)] + left_behind(run)


def left_behind(run: Path) -> list[str]:
    """Drafts and half-removed folders that a finished run must not have."""
    return [str(path.relative_to(run)) for path in run.rglob("*") if _LEFT.search(path.name)]
