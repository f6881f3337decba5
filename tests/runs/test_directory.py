"""Run directories: who may write, what an interruption leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.full_disk import full_disk
from visplay.config import Settings
from visplay.errors import RunError
from visplay.runs import RunDirectory, check_finished, check_run, read_metrics

# Steps as a run takes them, from wherever the state says, until it is killed.
WORKER = """
import sys
from pathlib import Path
from visplay.config import Settings
from visplay.runs import RunDirectory
path = Path(sys.argv[1])
run = RunDirectory.open(path) if (path / "config.yaml").exists() else RunDirectory.create(path, Settings(seed=7))
state = run.load_state() or {"step": 0}
while True:
    step = state["step"] + 1
    run.metrics.append("reasoner", 1, step, {"reward": 1 / step})
    for name in (f"step-{step}", "rolling"):
        with run.new_folder(f"checkpoints/{name}") as folder:
            (folder / "a").write_text(str(step) * 5000)
            (folder / "b").write_text(str(step) * 5000)
    state = {"step": step, "checkpoint": f"step-{step}"}
    run.save_state(state)
    run.discard(keep=[f"step-{step}", "rolling"])
    print(step, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "run"


def start_worker(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(path)]
    return subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)}, stdout=subprocess.PIPE, text=True)


def test_settings_are_found_again(path: Path) -> None:
    settings = Settings.model_validate({"seed": 3, "rl": {"learning_rate": 1e-6}, "images": "photos/été"})
    with RunDirectory.create(path, settings) as run:
        assert run.load_state() is None
    with RunDirectory.open(path) as run:
        assert run.settings == settings


def test_a_run_is_found_as_the_last_saved_state_left_it(path: Path) -> None:
    state = {"iteration": 2, "phase": "reasoner", "step": 3, "sampler": {"round": 1, "held_back": [4, 5]}, "x": 0.1}
    with RunDirectory.create(path, Settings()) as run:
        run.metrics.append("reasoner", 2, 3, {"reward": 0.5})
        run.save_state(state)
        before = (path / "metrics.jsonl").read_bytes()
        run.metrics.append("reasoner", 2, 4, {"reward": 0.6})
    with RunDirectory.open(path) as run:
        assert run.load_state() == state
        assert (path / "metrics.jsonl").read_bytes() == before
        run.metrics.append("reasoner", 2, 4, {"reward": 0.7})
    assert [line["reward"] for line in read_metrics(path / "metrics.jsonl")] == [0.5, 0.7]


def test_a_run_killed_before_its_first_state_begins_anew(path: Path) -> None:
    with RunDirectory.create(path, Settings()) as run:
        run.metrics.append("questioner", 1, 1, {"reward": 0.5})
    with RunDirectory.open(path) as run:
        assert run.load_state() is None
        assert read_metrics(path / "metrics.jsonl") == []


def test_killed_at_any_moment_a_run_goes_on_from_its_last_finished_step(path: Path) -> None:
    reached = 0
    for milliseconds in (0, 1, 2, 3, 5, 8):
        with start_worker(path) as worker:
            assert worker.stdout is not None
            assert int(worker.stdout.readline()) == reached + 1, "the worker did not go on where it was killed"
            time.sleep(milliseconds / 1000)
            worker.kill()
        with RunDirectory.open(path) as run:
            state = run.load_state()
            assert state is not None and state["step"] > reached
            reached = state["step"]
            assert run.settings.seed == 7
            assert [line["step"] for line in read_metrics(path / "metrics.jsonl")] == list(range(1, reached + 1))
            checkpoint = path / "checkpoints" / state["checkpoint"]
            assert (checkpoint / "a").read_text() == (checkpoint / "b").read_text() == str(reached) * 5000
            rolling = path / "checkpoints" / "rolling"
            assert (rolling / "a").read_text() == (rolling / "b").read_text() != ""
            assert not list(path.rglob("*.writing")) and not list(path.rglob("*.replaced"))


def test_two_processes_cannot_use_one_run(path: Path) -> None:
    with start_worker(path) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "1\n"
        with pytest.raises(RunError, match="in use by another process"):
            RunDirectory.open(path)
        worker.kill()
    RunDirectory.open(path).close()


def test_one_process_cannot_use_a_run_twice(path: Path) -> None:
    with RunDirectory.create(path, Settings()), pytest.raises(RunError, match="in use"):
        RunDirectory.open(path)
    RunDirectory.open(path).close()


def test_what_is_not_a_free_place_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("…")
    (tmp_path / "file").touch()
    RunDirectory.create(tmp_path / "run", Settings()).close()
    before = sorted(tmp_path.rglob("*"))
    for name, expected in {
        "full": "not empty and contains no run",
        "file": "is a file",
        "file/below": "not a directory",
        "run": "already contains a run; continue it with --resume",
    }.items():
        with pytest.raises(RunError, match=expected) as raised:
            RunDirectory.create(tmp_path / name, Settings())
        assert "\n" not in str(raised.value) and str(tmp_path / name) in str(raised.value)
    for name in ("full", "file", "nowhere"):
        with pytest.raises(RunError, match="no run at"):
            RunDirectory.open(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_killed_while_it_was_created_can_be_created_again(path: Path) -> None:
    path.mkdir(parents=True)
    (path / ".lock").touch()
    (path / ".config.yaml.writing").write_text("model: l")
    RunDirectory.create(path, Settings()).close()
    with RunDirectory.open(path) as run:
        assert run.settings == Settings()


def test_files_changed_by_hand_are_refused_in_one_line(path: Path) -> None:
    with RunDirectory.create(path, Settings()) as run:
        run.metrics.append("reasoner", 1, 1, {"reward": 0.5})
        run.save_state({"step": 1})
    good = (path / "state.json").read_text()
    for text in ("", "[]", "{}", '{"metrics_bytes": 3}', "\x00"):
        (path / "state.json").write_text(text)
        with pytest.raises(RunError, match=r"state\.json is damaged"):
            RunDirectory.open(path)
    (path / "state.json").write_text(good)
    (path / "metrics.jsonl").write_text("")
    with pytest.raises(RunError, match=r"metrics\.jsonl has 0 bytes, not \d+, and there is nothing before it"):
        RunDirectory.open(path)
    (path / "metrics.jsonl").unlink()
    (path / "state.json").unlink()
    RunDirectory.open(path).close()


def test_a_state_that_would_not_come_back_leaves_the_old_one(path: Path) -> None:
    with RunDirectory.create(path, Settings()) as run:
        run.save_state({"step": 1})
        with pytest.raises(ValueError):
            run.save_state({"step": 2, "loss": float("nan")})
        with pytest.raises(TypeError):
            run.save_state({"step": 2, "weights": object()})
        assert run.load_state() == {"step": 1}


def test_a_checkpoint_is_there_only_when_it_was_finished(path: Path) -> None:
    with RunDirectory.create(path, Settings()) as run:
        with run.new_folder("checkpoints/first") as folder:
            (folder / "weights").write_text("1")
            assert not (path / "checkpoints" / "first").exists()
        with pytest.raises(ZeroDivisionError), run.new_folder("checkpoints/first") as folder:
            (folder / "weights").write_text("2")
            raise ZeroDivisionError
        assert (path / "checkpoints" / "first" / "weights").read_text() == "1"
        with run.new_folder("checkpoints/first") as folder:
            (folder / "other").write_text("3")
        assert [file.name for file in (path / "checkpoints" / "first").glob("o*")] == ["other"]
        assert not (path / "checkpoints" / "first" / "weights").exists()
        with run.new_folder("checkpoints/second"):
            pass
        run.discard(keep=["second"])
        assert sorted(file.name for file in (path / "checkpoints").iterdir()) == ["second"]
        run.discard(keep=[])
        assert list((path / "checkpoints").iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_the_last_checkpoint(path: Path) -> None:
    with RunDirectory.create(path, Settings()) as run:
        with run.new_folder("checkpoints/first") as folder:
            save_file({"weights": torch.zeros(1)}, folder / "weights")
        with full_disk():
            with (
                pytest.raises(RunError, match=r"cannot write .*second: .*too large"),
                run.new_folder("checkpoints/second") as folder,
            ):
                save_file({"weights": torch.zeros(1000)}, folder / "weights")
            with (
                pytest.raises(RunError, match=r"cannot write .*questioner: .*too large"),
                run.new_folder("questioner") as folder,
            ):
                (folder / "prompts").write_text("?" * 2000)
        assert [entry.name for entry in (path / "checkpoints").iterdir()] == ["first"]


def test_a_half_replaced_checkpoint_comes_back(path: Path) -> None:
    with RunDirectory.create(path, Settings()) as run, run.new_folder("checkpoints/rolling") as folder:
        (folder / "weights").write_text("old")
    checkpoints = path / "checkpoints"
    (checkpoints / "rolling").rename(checkpoints / ".rolling.replaced")
    (checkpoints / ".rolling.writing").mkdir()
    RunDirectory.open(path).close()
    assert (checkpoints / "rolling" / "weights").read_text() == "old"
    assert sorted(file.name for file in checkpoints.iterdir()) == ["rolling"]


def test_results_and_summary_stand_beside_the_settings(path: Path) -> None:
    with RunDirectory.create(path, Settings()) as run:
        with run.new_folder("reasoner") as folder:
            (folder / "model.safetensors").write_text("weights")
        run.write_summary({"suites": {"b": 1, "a": float("inf")}, "seconds": 1.5})
    assert (path / "reasoner" / "model.safetensors").read_text() == "weights"
    assert (path / "summary.json").read_text() == (
        '{\n  "suites": {\n    "a": null,\n    "b": 1\n  },\n  "seconds": 1.5\n}\n'
    )


@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json", "events.jsonl", "silver/iteration-1.parquet"])
def test_nothing_waits_for_a_pipe_in_a_run(tmp_path: Path, name: str) -> None:
    path = tmp_path / "run"
    with RunDirectory.create(path, Settings()):
        pass
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).unlink(missing_ok=True)
    os.mkfifo(path / name)
    for use in (check_run, RunDirectory.open):
        with pytest.raises(RunError, match="is no regular file"):
            use(path)


def test_links_of_a_stranger_cut_and_remove_nothing_of_the_user(tmp_path: Path) -> None:
    path, own = tmp_path / "run", tmp_path / "own"
    own.mkdir()
    (own / "letters").mkdir()
    (own / "notes").write_text("mine\n")
    with RunDirectory.create(path, Settings()) as run:
        run.save_state({"iteration": 1, "phase": "reasoner", "step": 0})
    (path / "checkpoints").symlink_to(own)
    with RunDirectory.open(path) as run:
        run.discard(keep=[])
    (path / "metrics.jsonl").unlink()
    (path / "metrics.jsonl").symlink_to(own / "notes")
    with pytest.raises(RunError, match="is a link"):
        RunDirectory.open(path)
    assert (own / "notes").read_text() == "mine\n" and (own / "letters").is_dir()


def test_the_advice_for_a_path_with_a_blank_can_be_followed(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "my run", Settings()), pytest.raises(RunError, match=r"--out '.*/my run'`"):
        check_finished(tmp_path / "my run")
