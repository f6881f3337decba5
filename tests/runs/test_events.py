"""A run knows which settings were in force, whatever became of config.yaml, and how they changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visplay.config import Settings, dump_settings, load_settings
from visplay.errors import ConfigError, RunError
from visplay.runs import RunDirectory
from visplay.types import StepId

LOWER = {"rl": {"learning_rate": 1e-6}}


def with_state(path: Path) -> Path:
    """A run that was interrupted after a step."""
    with RunDirectory.create(path, Settings(), processes=2) as run:
        run.save_state({"iteration": 1, "phase": "reasoner", "step": 3})
    return path


def test_an_allowed_change_is_in_force_and_written_down_with_its_step(tmp_path: Path) -> None:
    path = with_state(tmp_path / "run")
    changed = Settings.model_validate(LOWER)
    with RunDirectory.open(path, changed, processes=1) as run:
        assert run.changes == "rl.learning_rate 3e-05 → 1e-06, processes 2 → 1"
    assert load_settings(str(path / "config.yaml")) == changed
    begun, resumed = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    assert begun["event"] == "begun" and begun["step"] is None
    assert resumed["changes"] == {"rl.learning_rate": [3e-5, 1e-6], "processes": [2, 1]}
    assert (resumed["iteration"], resumed["phase"], resumed["step"]) == (1, "reasoner", 3)
    with RunDirectory.open(path, changed, processes=1) as run:
        assert not run.changes, "a resume without a change leaves no trace"
    assert len((path / "events.jsonl").read_text().splitlines()) == 2


def test_an_edited_config_is_a_change_like_any_other(tmp_path: Path) -> None:
    path = with_state(tmp_path / "run")
    (path / "config.yaml").write_text(dump_settings(Settings.model_validate(LOWER)))
    with RunDirectory.open(path, load_settings(str(path / "config.yaml"))) as run:
        assert run.changes == "rl.learning_rate 3e-05 → 1e-06"
    edited = dump_settings(Settings(seed=5))
    (path / "config.yaml").write_text(edited)
    events = (path / "events.jsonl").read_bytes()
    with pytest.raises(ConfigError, match=r"seed \(0, now 5\)"):
        RunDirectory.open(path, load_settings(str(path / "config.yaml")))
    assert (path / "config.yaml").read_text() == edited and (path / "events.jsonl").read_bytes() == events


def test_what_memory_changed_is_in_force_from_its_step_on(tmp_path: Path) -> None:
    path = with_state(tmp_path / "run")
    with RunDirectory.open(path) as run:
        sizes = {"rl.micro_batch_tokens": 4096, "engine.batch": 64}
        said = run.change_settings(sizes, "out of memory", StepId(1, "reasoner", 4))
        assert said == "engine.batch 256 → 64, rl.micro_batch_tokens 8192 → 4096"
        assert run.settings.rl.micro_batch_tokens == 4096
    settings = load_settings(str(path / "config.yaml"))
    assert settings.engine.batch_size == 64
    with RunDirectory.open(path, settings) as run:
        assert not run.changes
        assert run.events.lines()[-1]["event"] == "out of memory" and run.events.processes() == 2


@pytest.mark.parametrize("damage", ["", "{}\n", "[1]\n", "no JSON\n", "\x00\n"])
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, damage: str) -> None:
    path = with_state(tmp_path / "run")
    (path / "events.jsonl").write_text(damage or '{"event"')
    with pytest.raises(RunError, match=r"events\.jsonl is damaged"):
        RunDirectory.open(path, Settings())


def test_without_the_file_config_is_believed_and_the_file_is_made_anew(tmp_path: Path) -> None:
    path = with_state(tmp_path / "run")
    (path / "events.jsonl").unlink()
    RunDirectory.open(path, Settings()).close()
    with pytest.raises(ConfigError, match="seed"):
        RunDirectory.open(path, Settings(seed=1))


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x1d", "\r", "\n", "\r\n", "\ufeff", "\u202e"])
def test_a_setting_may_hold_any_end_of_a_line(tmp_path: Path, end: str) -> None:
    settings = Settings.model_validate({"images": {"type": "folder", "path": f"a{end}b {end} c"}})
    with RunDirectory.create(tmp_path / "run", settings):
        pass
    with RunDirectory.open(tmp_path / "run", settings) as run:
        assert not run.changes and run.events.settings() == settings


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        '{"event": 5}',
        '{"event": "begun", "settings": 5}',
        '{"event": "begun", "processes": "2"}',
        '{"event": "not finite"}',
        '{"event": "not finite", "role": "reasoner", "rate": "x", "iteration": 1, "phase": "reasoner", "step": 1}',
    ],
)
def test_damaged_events_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = with_state(tmp_path / "run")
    (path / "events.jsonl").write_text(text)
    with pytest.raises(RunError, match=r"events\.jsonl is damaged: not a list of events; remove it"):
        RunDirectory.open(path, Settings())


def test_events_import_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_state(tmp_path / "run")
    (tmp_path / "planted_events.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    settings = {"silver": {"gates": [{"type": "custom", "import_path": "planted_events:A"}]}}
    (path / "events.jsonl").write_text(json.dumps({"event": "begun", "settings": settings}) + "\n")
    with pytest.raises(ConfigError, match=r"events.jsonl: import_path names the module 'planted_events'"):
        RunDirectory.open(path, Settings())
    assert not (tmp_path / "ran").exists()
