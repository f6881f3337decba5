"""`visplay eval` with settings of the command line: answers of a server, and whatever else a model's own are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chat_server import Body, ChatServer, serving
from tests.tiny_runs import tiny_run
from visplay.cli.main import main
from visplay.errors import ConfigError
from visplay.evaluation.results import Measurement
from visplay.generation.backends.server import ServerBackend
from visplay.roles.open import own_settings

SUITE = "lab/single/pastel"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.mktemp("runs") / "run", "tune=lora", "lora.rank=2", "reasoner.steps=1")


def evaluate(model: object, out: Path, *flags: str) -> int:
    return main(["eval", str(model), "--suites", SUITE, "--items", "3", *flags, "--out", str(out)])


def texts(answers: Path) -> set[str]:
    return {mark.text for mark in Measurement.load(answers).greedy[SUITE].answered}


def test_a_server_answers_for_a_model_by_its_address_alone(tmp_path: Path) -> None:
    with serving(ChatServer()) as server:
        server.say = lambda body, index: "\\boxed{blue}"
        flags = [
            "--set",
            f"vote_engine={{type: server, url: {server.url}}}",
            "--set",
            "reasoner.sampling.max_tokens=17",
        ]
        assert evaluate("lab", tmp_path / "o.json", *flags) == 0
    assert texts(tmp_path / "o.answers.jsonl") == {"\\boxed{blue}"}
    assert {body["max_tokens"] for body in server.bodies} == {17} and not server.loaded
    assert json.loads((tmp_path / "o.json").read_text())["set"] == flags[1::2]


def test_a_server_answers_for_a_run_and_for_its_base(run: Path, tmp_path: Path) -> None:
    adapters = tmp_path / "adapters"

    def say(body: Body, index: int) -> str:
        return f"\\boxed{{{body['model'].partition('-')[0]}}}"

    with serving(ChatServer()) as server:
        server.say = say
        flags = ["--set", "vote_engine=server", "--set", f"vote_engine.url={server.url}"]
        flags += ["--set", f"vote_engine.adapters={adapters}"]
        assert evaluate(run, tmp_path / "o.json", "--base", "lab", *flags) == 0
    assert texts(tmp_path / "o.base.answers.jsonl") == {"\\boxed{base}"}
    assert texts(tmp_path / "o.answers.jsonl") == {"\\boxed{reasoner}"}
    assert not server.loaded and not list(adapters.iterdir())


def test_settings_hold_for_model_and_base(run: Path, tmp_path: Path) -> None:
    assert evaluate(run, tmp_path / "o.json", "--base", "lab", "--set", "reasoner.sampling.max_tokens=2") == 0
    for answers in ("o.answers.jsonl", "o.base.answers.jsonl"):
        assert not any(mark.finished for mark in Measurement.load(tmp_path / answers).greedy[SUITE].answered)


def test_a_preset_is_for_models(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("dtype: bfloat16\nengine: {type: transformers, batch: 3}\n")
    chosen = own_settings("lab", str(tmp_path / "mine.yaml"), ["engine.batch=4"], {"seed": 5})
    assert (chosen.dtype, chosen.engine.batch_size, chosen.seed) == ("bfloat16", 4, 5)
    # Nobody trains it, so a server need not follow it.
    served = own_settings("lab", None, ["vote_engine=server", "vote_engine.url=http://here:8000"])
    assert served.vote_engine == ServerBackend(url="http://here:8000")
    assert served.engine.batch_size == 512, "what is not named is the preset's"
    with pytest.raises(ConfigError, match="leave --preset out"):
        own_settings(str(run), str(tmp_path / "mine.yaml"))


def test_a_model_is_named_once() -> None:
    with pytest.raises(ConfigError, match="the model is lab; leave model out of --set"):
        own_settings("lab", None, ["model=other"])
    assert own_settings("lab", None, ["model=lab"]).model == "lab"


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--set", "vote_engine=server"], "vote_engine: engine 'server': url: Field required"),
        (["--set", "vote_engine={type: server, url: 'http://127.0.0.1:9'}"], "vote_engine: adapters is missing"),
        (["--set", "server.url=http://127.0.0.1:9"], "server is now vote_engine: {type: server, url: …, …}"),
        (["--set", "tune=full"], "need the run's tune;"),
        (["--set", "lora.rank=4"], "need the run's lora;"),
        (["--set", "dtpye=bfloat16"], "dtpye"),
        (["--set", "dtype"], "is not key=value"),
        (["--preset", "paper-lab"], "leave --preset out"),
        (["--base", "lab", "--set", "model=other"], "leave model out of --set"),
        (["--base", "./no-model"], "no-model"),
        (["--tasks", "--engine", "vllm"], "--engine is for --data and --suites"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_scored(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    asked = ["--tasks", "gqa"] if flags[0] == "--tasks" else ["--suites", SUITE]
    flags = flags[1:] if flags[0] == "--tasks" else flags
    assert main(["eval", str(run), *asked, *flags, "--out", str(tmp_path / "o.json")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("visplay: ") and error.count("\n") == 1 and said in error
    assert not list(tmp_path.glob("*.answers.jsonl"))
