"""A run of the lab's model that takes seconds, by the command line, and the command that an error line advises."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from visplay.cli.main import main

SMALL = {
    "images": "{type: lab, style: clean, count: 16}",
    "iterations": "1",
    "questioner.steps": "1",
    "questioner.images_per_step": "2",
    "questioner.group_size": "4",
    "questioner.votes": "2",
    "questioner.gates": "[]",
    "questioner.learning_rate": "1e-5",
    "silver.images": "6",
    "silver.votes": "2",
    "silver.gates": "[answered]",
    "reasoner.steps": "3",
    "reasoner.questions_per_step": "4",
    "reasoner.group_size": "4",
    "reasoner.reward": "random",
    "rl.learning_rate": "1e-5",
    "evaluation.suites": "[]",
    "acceptance.images": "2",
    "acceptance.votes": "2",
    "trackers": "[]",
}


def begin(run: Path, **changes: str) -> int:
    """The exit status of `visplay evolve` into a new directory; `__` in a name of `changes` stands for a dot."""
    settings = SMALL | {name.replace("__", "."): value for name, value in changes.items()}
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return main(["evolve", "--preset", "paper-lab", *sets, "--out", str(run)])


def advised(line: str) -> list[str]:
    """The arguments of the command `visplay evolve --resume …` in an error line."""
    found = re.search(r"visplay (evolve --resume --out \S+(?: --set \S+)?)", line)
    assert found, line
    return shlex.split(found[1])


def one_line(said: str) -> str:
    """The only line of what was written to stderr."""
    (line,) = [line for line in said.splitlines() if line.startswith("visplay")]
    assert "Traceback" not in said
    return line


def metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics without what may differ between two runs."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("time", "reduced")} for line in found]


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
