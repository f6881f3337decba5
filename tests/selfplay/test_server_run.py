"""A run whose votes are a server's: the server dies in the middle, comes back, and no figure knows of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import Body, ChatServer, free_port, serving
from tests.tiny_runs import TINY
from visplay.cli.main import main

SMALL = (
    *TINY,
    "tune=lora",
    "lora.rank=2",
    "evaluation.suites=[]",
    "questioner.steps=2",
)


def say(body: Body, index: int) -> str:
    """As vLLM does: drawn from the request's own seed."""
    drawn = random.Random(f"{body['seed']}/{index}").choice(["red", "red", "blue"])
    return f"\\boxed{{{drawn}}}"


def evolve(run: Path, url: str, adapters: Path) -> int:
    server = f"vote_engine={{type: server, url: '{url}', adapters: '{adapters}', retries: 1, wait_s: 20}}"
    flags = [server, *SMALL]
    settings = [argument for flag in flags for argument in ("--set", flag)]
    first = ["--preset", "paper-lab", "--images", "lab/clean", *settings]
    return main(["evolve", "--out", str(run), *(["--resume"] if run.exists() else first)])


def lines(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "time"} for line in found]


@pytest.mark.long
def test_a_run_goes_on_where_its_server_died(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adapters = tmp_path / "adapters"
    with serving(ChatServer()) as server:
        server.say = say
        assert evolve(tmp_path / "calm", server.url, adapters) == 0
        asked = len(server.bodies)
        assert asked > 8 and not server.loaded

    port = free_port()
    with serving(ChatServer(port)) as mortal:

        def die(body: Body, before: int) -> str | None:
            if body.get("messages") and len(mortal.bodies) >= asked // 2:
                mortal.die()
                return "reset"
            return None

        mortal.say, mortal.fault = say, die
        assert evolve(tmp_path / "run", mortal.url, adapters) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("visplay: ") and "went away" in error and "--resume" in error
    done = lines(tmp_path / "run")
    assert 0 < len(done) < len(lines(tmp_path / "calm"))

    with serving(ChatServer(port)) as again:
        again.say = say
        assert evolve(tmp_path / "run", again.url, adapters) == 0
        assert again.paths[0] == "/v1/models" and not again.loaded
    assert lines(tmp_path / "run") == lines(tmp_path / "calm")
    assert not list(adapters.iterdir())
