"""No secret is kept or shown: passwords in addresses are refused everywhere, and values of keys are blotted out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_runs import tiny_run
from visplay.cli.main import main
from visplay.config import Settings, load_settings
from visplay.errors import ConfigError, one_line, without_secrets
from visplay.interfaces.component import BUILT_IN, components, read_component, setting_paths
from visplay.runs.trackers import Trackers

pytestmark = pytest.mark.faults

SECRET = "hunter2hunter2"
ADDRESSES = [
    f"http://me:{SECRET}@here:8000",
    f"http://{SECRET}@here:8000/v1",
    f"http://:{SECRET}@here",
    f"https://here:8000/?key={SECRET}",
    f"https://here:8000/#{SECRET}",
    f"http://me:{SECRET}/x@here:8000",
    f"http://here:{SECRET}",
]
KEYS = ("VISPLAY_SERVER_KEY", "VISPLAY_JUDGE_KEY", "HF_TOKEN", "WANDB_API_KEY", "OPENAI_API_KEY")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_server_takes_no_secret(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = f"vote_engine={{type: server, url: '{address}', adapters: x}}"
    file = tmp_path / "preset.yaml"
    file.write_text(f"tune: lora\nvote_engine: {{type: server, url: '{address}', adapters: x}}\n")
    broken = tmp_path / "broken.yaml"
    broken.write_text(f"vote_engine: {{type: server, url: '{address}' [\n")
    out = tmp_path / "run"
    for flags in (
        ["--set", engine, "--set", "tune=lora"],
        ["--preset", file],
        ["--preset", broken],
        ["--set", engine + "]"],
    ):
        assert main(["evolve", "--out", str(out), *map(str, flags)]) == 2
    asked = ["eval", "lab", "--suites", "lab/color/pastel", "--items", "1", "--out", str(tmp_path / "scores.json")]
    assert main([*asked, "--judge", address]) == 2
    said = capsys.readouterr()
    assert SECRET not in said.err + said.out and len(said.err.splitlines()) == 5
    assert not out.exists() and not list(tmp_path.glob("scores*"))


@pytest.mark.parametrize("path", list(setting_paths(Settings)))
def test_no_setting_takes_an_address_with_a_password(path: str) -> None:
    for address in (ADDRESSES[0], f"http://me:x/{SECRET}@here:8000"):
        with pytest.raises(ConfigError) as raised:
            load_settings(overrides=[f"{path}={address}"])
        assert SECRET not in without_secrets(str(raised.value))


def test_no_setting_of_a_component_takes_one() -> None:
    for seam in BUILT_IN:
        for name, component in components(seam).items():
            for setting in component.model_fields:
                with pytest.raises(ValueError) as raised:
                    read_component(seam, {"type": name, setting: ADDRESSES[0]})
                assert SECRET not in without_secrets(str(raised.value))


@pytest.mark.parametrize("key", KEYS)
def test_the_value_of_a_key_is_shown_nowhere(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(key, SECRET)
    assert one_line(OSError(f"401 for {SECRET}")) == "401 for ***"
    assert main(["ask", f"no-such-model-{SECRET}", "no.png"]) == 2
    assert main(["evolve", "--preset", SECRET, "--out", str(tmp_path / "run")]) == 2
    assert SECRET not in capsys.readouterr().err


def test_no_file_of_a_run_holds_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.setenv(key, SECRET)

    def fail(self: Trackers, name: str, run: object) -> object:
        raise ConfigError(f"trackers: {name} cannot be started: {one_line(OSError('key ' + SECRET))}")

    run = tiny_run(tmp_path / "run")
    assert main(["report", str(run), "--to", str(run / "report.html")]) == 0
    files = [file for file in run.rglob("*") if file.is_file()]
    assert len(files) > 20
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
    monkeypatch.setattr(Trackers, "_start", fail)
    with pytest.raises(ConfigError) as raised:
        tiny_run(tmp_path / "other")
    assert SECRET not in str(raised.value)
