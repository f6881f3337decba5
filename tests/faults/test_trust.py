"""A folder cannot run code: planted models, runs and presets, opened by every command that opens them.

The planted code writes a file when it is imported. Each command also runs with the flag that allows the code, which
shows that the plant works.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image
from transformers import dynamic_module_utils

from tests.tiny_runs import tiny_run
from visplay.cli.main import main
from visplay.config import Settings
from visplay.errors import ConfigError
from visplay.models.names import model_name
from visplay.report.server import make_app
from visplay.roles.open import check_runnable, load_base

pytestmark = pytest.mark.faults

CODE = """
from pathlib import Path

Path({mark!r}).write_text("ran")

from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from visplay.labeling.gates.answered import Answered


class Planted(Qwen2_5_VLConfig):
    pass


class PlantedModel(Qwen2_5_VLForConditionalGeneration):
    config_class = Planted


def generate(*arguments, **options):
    raise SystemExit("ran")


class Gate(Answered):
    pass
"""


class Done(NamedTuple):
    """What came of a command: its exit status and the lines of its errors."""

    returncode: int
    lines: list[str]


Visplay = Callable[..., Done]


@pytest.fixture
def visplay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Visplay]:
    """Runs a command in the test's folder, which is searched for modules, for a user who says yes to every question."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("visplay.selfplay.run.evolve", begin)
    monkeypatch.setattr("visplay.report.server.make_app", begin_page(make_app))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 20))
        code = main([str(argument) for argument in arguments])
        return Done(code, capsys.readouterr().err.splitlines())

    yield run
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("gates", "planted", "run", "transformers_modules"):
            del sys.modules[name]


def begin(settings: Settings, *_: object, **__: object) -> None:
    """Instead of a run: all that it opens before it trains."""
    check_runnable(settings)
    load_base(settings.model, settings)
    raise ConfigError("far enough")


def begin_page(make: Callable[..., Any]) -> Callable[..., Any]:
    """Instead of serving: the page is made, and its server ends at once."""

    def made(*arguments: Any) -> None:
        make(*arguments)
        raise ConfigError("far enough")

    return made


def plant(folder: Path, mark: Path) -> None:
    """Put code beside a model, wherever transformers or PEFT may look for a name of code."""
    (folder / "planted.py").write_text(CODE.format(mark=str(mark)))
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(CODE.format(mark=str(mark)))
    mapped = {
        "config.json": {"AutoConfig": "planted.Planted", "AutoModelForImageTextToText": "planted.PlantedModel"},
        "preprocessor_config.json": {"AutoImageProcessor": "planted.Planted", "AutoProcessor": "planted.Planted"},
        "processor_config.json": {"AutoProcessor": "planted.Planted"},
        "tokenizer_config.json": {"AutoTokenizer": ["planted.Planted", "planted.Planted"]},
        "adapter_config.json": {},
    }
    for name, classes in mapped.items():
        file = folder / name
        if not file.exists() and name == "adapter_config.json":
            continue
        values = json.loads(file.read_text()) if file.exists() else {}
        values |= {"auto_map": classes, "auto_mapping": {"base_model_class": "X", "parent_library": "planted"}}
        file.write_text(json.dumps(values))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(3):
        Image.new("RGB", (64, 64), (80 * number, 30, 30)).save(folder / f"{number}.png")
    return folder / "0.png"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose base is a folder beside it, as a stranger may hand it over."""
    return tiny_run(tmp_path_factory.mktemp("runs") / "run")


SHORT = ("--set", "silver.votes=1", "--set", "reasoner.sampling.max_tokens=4", "--set", "silver.questions_per_image=1")


def commands(model: Path, photo: Path, here: Path) -> dict[str, list[object]]:
    out = here / "out"
    return {
        "ask": ["ask", model, photo, *SHORT],
        "eval": ["eval", model, "--suites", "lab/color/pastel", "--items", 1, "--out", out / "scores.json"],
        "compare": ["compare", "lab", model, "--suites", "lab/color/pastel", "--items", 1],
        "plan": ["plan", model, "--image-tokens", 16],
        "evolve": ["evolve", "--model", model, "--images", photo.parent, "--out", out / "run"],
    }


@pytest.mark.parametrize("unknown", [False, True], ids=["a known family", "a family of its own"])
@pytest.mark.parametrize("name", ["ask", "eval", "compare", "plan", "evolve"])
def test_a_model_runs_no_code_unless_the_command_says_so(
    tmp_path: Path, photo: Path, visplay: Visplay, name: str, unknown: bool
) -> None:
    model, mark = tmp_path / "model", tmp_path / "mark"
    shutil.copytree(model_name("lab"), model)
    plant(model, mark)
    if unknown:
        config = json.loads((model / "config.json").read_text()) | {"model_type": "planted"}
        (model / "config.json").write_text(json.dumps(config))
    command = commands(model, photo, tmp_path)[name]
    done = visplay(*command)
    assert not mark.exists()
    if unknown:
        (line,) = done.lines
        assert done.returncode == 2
        assert "comes with code of its own; if you trust it, add --trust-remote-code" in line
    preset = tmp_path / "preset.yaml"
    preset.write_text("trust_remote_code: true\nevaluation: {suites: []}\n")
    for flags in (["--set", "trust_remote_code=true"], ["--preset", preset]):
        if name != "compare" or "--preset" not in flags:
            done = visplay(*command, *flags)
            (line,) = done.lines
            assert done.returncode == 2 and "--trust-remote-code" in line and not mark.exists()
    if unknown:
        visplay(*command, "--trust-remote-code")
        assert mark.exists()


@pytest.mark.parametrize("name", ["eval", "ask", "compare", "report", "export", "watch", "resume"])
@pytest.mark.parametrize("planted", ["a model", "a component"])
def test_a_run_runs_no_code_by_being_opened(
    tmp_path: Path, photo: Path, finished: Path, visplay: Visplay, name: str, planted: str
) -> None:
    run, mark = tmp_path / "run", tmp_path / "mark"
    shutil.copytree(finished, run)
    config = (run / "config.yaml").read_text()
    assert "trust_remote_code" not in config
    if planted == "a model":
        for role in ("questioner", "reasoner"):
            plant(run / role, mark)
        (run / "config.yaml").write_text(config + "trust_remote_code: true\n")
    else:
        (run / "gates.py").write_text(CODE.format(mark=str(mark)))
        answered = "- type: answered"
        assert answered in config
        (run / "config.yaml").write_text(config.replace(answered, "- type: custom\n    import_path: run.gates:Gate"))
    command = {
        "eval": ["eval", run, "--suites", "lab/color/pastel", "--items", 1, "--out", tmp_path / "scores.json"],
        "ask": ["ask", run, photo, *SHORT],
        "compare": ["compare", "lab", run, "--suites", "lab/color/pastel", "--items", 1],
        "report": ["report", run, "--to", tmp_path / "page.html"],
        "export": ["export", run, "--role", "reasoner", "--to", tmp_path / "exported"],
        "watch": ["watch", run, "--port", 0],
        "resume": ["evolve", "--resume", "--out", run],
    }[name]
    done = visplay(*command)
    (line,) = done.lines
    assert done.returncode == 2 and not mark.exists()
    assert ("--trust-remote-code" if planted == "a model" else "--import run.gates") in line
    if planted == "a model":
        # A run of a stranger that says nothing is opened, and its planted code is left alone.
        (run / "config.yaml").write_text(config)
        visplay(*command)
        assert not mark.exists()
    else:
        visplay(*command, "--import", "run.gates")
        assert mark.exists()


def test_an_adapter_imports_nothing(tmp_path: Path, photo: Path, visplay: Visplay) -> None:
    """PEFT imports the module that an adapter's configuration names as Megatron's."""
    run, mark = tiny_run(tmp_path / "run", "tune=lora"), tmp_path / "mark"
    (tmp_path / "planted.py").write_text(CODE.format(mark=str(mark)))
    file = run / "reasoner" / "adapter_config.json"
    values = json.loads(file.read_text()) | {"megatron_core": "planted", "megatron_config": {"x": 1}}
    file.write_text(json.dumps(values))
    done = visplay("export", run, "--role", "reasoner", "--to", tmp_path / "exported")
    assert done.returncode == 2 and "is not one that a run wrote" in done.lines[-1]
    visplay("ask", run, photo, *SHORT)
    assert not mark.exists()


@pytest.mark.parametrize("command", [["evolve", "--out", "run"], ["plan", "lab"], ["ask", "lab", "no.png"]])
def test_a_preset_imports_nothing(tmp_path: Path, visplay: Visplay, command: list[str]) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "gates.py").write_text(CODE.format(mark=str(mark)))
    (tmp_path / "preset.yaml").write_text("silver: {gates: [{type: custom, import_path: 'gates:Gate'}]}\n")
    done = visplay(*command, "--preset", "preset.yaml")
    assert done.returncode == 2 and not mark.exists() and "--import gates" in done.lines[-1]
    visplay(*command, "--preset", "preset.yaml", "--import", "gates", "--set", "iterations=0")
    assert mark.exists()


def test_a_matrix_imports_nothing(tmp_path: Path, visplay: Visplay) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "gates.py").write_text(CODE.format(mark=str(mark)))
    gate = "{silver: {gates: [{type: custom, import_path: 'gates:Gate'}]}}"
    (tmp_path / "matrix.yaml").write_text(f"seeds: [0]\nrecipes: {{a: {gate}}}\n")
    for study in (["ablate", "matrix.yaml"], ["score", "matrix.yaml", "--page-only"]):
        done = visplay("lab", *study, "--out", "out")
        assert done.returncode == 2 and not mark.exists()
        assert "--import gates" in done.lines[-1]
