"""Each file of a checkpoint, and each file that a state names, flipped, truncated, emptied and deleted."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.campaign import evolve, left_behind, result
from tests.faults.conftest import Reference
from tests.faults.test_kills import Kill
from visplay.errors import RunError
from visplay.runs.saved_state import last_usable

pytestmark = pytest.mark.faults


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[random.Random(file.name).randrange(len(content))] ^= 4
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "truncated": lambda file: os.truncate(file, file.stat().st_size // 2),
    "emptied": lambda file: os.truncate(file, 0),
    "deleted": Path.unlink,
}


@pytest.fixture(scope="module")
def interrupted(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run killed in the second iteration, when its silver set was written."""
    moment = [n for n, at in enumerate(reference.moments) if at.event == "create" and at.file.startswith("/silver/")][1]
    run = tmp_path_factory.mktemp("interrupted") / "run"
    assert evolve(reference.preset, run, Kill(moment + 1)).status == -signal.SIGKILL
    return run


def saved(run: Path, name: str = "state.json") -> dict[str, object]:
    found: dict[str, object] = json.loads((run / name).read_text())["state"]
    return found


def copy(run: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(run, to)
    return to


def test_every_damage_of_the_newest_checkpoint_is_noticed(interrupted: Path, tmp_path: Path) -> None:
    newest, before = (str(saved(interrupted, name)["checkpoint"]) for name in ("state.json", "state.before.json"))
    assert newest != before
    folder = interrupted / "checkpoints" / newest
    files = [file.relative_to(folder) for file in sorted(folder.rglob("*")) if file.is_file()]
    assert len(files) > 15
    for file in files:
        for damage in DAMAGES.values():
            run = copy(interrupted, tmp_path / "run")
            damage(run / "checkpoints" / newest / file)
            state, notice = last_usable(run)
            assert newest in notice and file.name in notice and "\n" not in notice
            assert notice.endswith(f"the run goes on from the checkpoint before, {before}")
            assert state.state == saved(run, "state.before.json") == saved(run)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("reasoner/model.safetensors", "flipped"),
        ("questioner/model.safetensors", "truncated"),
        ("reasoner-trainer/optimizer.pt", "flipped"),
        ("questioner-trainer/optimizer.pt", "emptied"),
        ("history.json", "deleted"),
        ("manifest.json", "flipped"),
        ("reasoner/config.json", "emptied"),
        ("", "deleted"),
    ],
)
def test_the_checkpoint_before_is_taken_to_the_same_end(
    file: str, damage: str, interrupted: Path, reference: Reference, tmp_path: Path
) -> None:
    run = copy(interrupted, tmp_path / "run")
    damaged = run / "checkpoints" / str(saved(run)["checkpoint"]) / file
    (DAMAGES[damage] if file else shutil.rmtree)(damaged)
    ended = evolve(reference.preset, run)
    assert ended.status == 0, ended.error
    assert sum("the run goes on from the checkpoint before" in line for line in ended.output.splitlines()) == 1
    assert result(run) == reference.result and not left_behind(run)


def test_a_file_that_both_states_need_is_one_line(interrupted: Path, reference: Reference, tmp_path: Path) -> None:
    needed = [
        *("acceptance/anchor.parquet", "acceptance/iteration-0.json", "acceptance/asking-1.json"),
        *("measurements/iteration-0.jsonl", "silver/iteration-1.parquet", "metrics.jsonl"),
    ]
    for file in needed:
        for name, damage in DAMAGES.items():
            run = copy(interrupted, tmp_path / "run")
            if file == "metrics.jsonl" and name == "flipped":
                (run / file).write_bytes((run / file).read_bytes().replace(b"reward", b"rewarx", 1))
            else:
                damage(run / file)
            if file == "metrics.jsonl" and name == "truncated":
                os.truncate(run / file, 50)
            with pytest.raises(RunError, match="put it back from a copy, or start a new run") as raised:
                last_usable(run)
            assert Path(file).name in str(raised.value) and "\n" not in str(raised.value)
    ended = evolve(reference.preset, run)
    assert ended.one_line, ended
    shutil.copyfile(interrupted / file, run / file)
    assert evolve(reference.preset, run).status == 0 and result(run) == reference.result, "put back from a copy"


@pytest.mark.parametrize("name", [*DAMAGES, "negative", "another"])
def test_a_damaged_state_falls_back_to_the_one_before(
    name: str, interrupted: Path, reference: Reference, tmp_path: Path
) -> None:
    run = copy(interrupted, tmp_path / "run")
    state = run / "state.json"
    if name in DAMAGES:
        DAMAGES[name](state)
    elif name == "negative":
        values = json.loads(state.read_text())
        values["metrics"]["size"] = -5
        state.write_text(json.dumps(values))
    else:
        state.write_text("[" * 10_000)
    ended = evolve(reference.preset, run)
    assert ended.status == 0 and "state.json" in ended.output, ended
    assert result(run) == reference.result and not left_behind(run)


def test_without_a_state_before_a_damaged_one_is_one_line(
    interrupted: Path, reference: Reference, tmp_path: Path
) -> None:
    run = copy(interrupted, tmp_path / "run")
    (run / "state.before.json").unlink()
    (run / "state.json").unlink()
    ended = evolve(reference.preset, run)
    assert ended.one_line and "state.json" in ended.error and "start a new run" in ended.error
