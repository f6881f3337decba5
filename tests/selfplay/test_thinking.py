"""An iteration of models that think aloud in both roles, and of one that never ends its thought."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.tiny_runs import TINY
from visplay.config import load_settings
from visplay.interfaces.engine import Engine, EngineBackend, Sampling
from visplay.lab.drawings import drawings
from visplay.models.policy import Policy
from visplay.roles.open import open_prompts
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import run_evolution
from visplay.types import Completion, Request

_DRAFTS = {
    "question": "A draft would be <type>open</type><question>draft?</question>.",
    "answer": "First I would say \\boxed{draft}.",
}

_ASKS = open_prompts("lab", load_settings("paper-lab")).questioner


class Thinker(EngineBackend):
    """A thought with a draft, then a question about a number, or a colour for an answer."""

    ends: bool = True

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        return [_Thinker(policy, self.ends) for policy in policies]


class _Thinker:
    def __init__(self, policy: Policy, ends: bool) -> None:
        self.policy = policy
        self.ends = ends

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {r.id: tuple(self._completion(r, index) for index in range(r.n)) for r in requests}

    def _completion(self, request: Request, index: int) -> Completion:
        drawn = zlib.crc32(f"{request.id} {index}".encode())
        asks = request.prompt == _ASKS
        said = f"```\n<Type>Counting</Type>\n<Question>how many < {drawn % 97}?</Question>\n```"
        said = said if asks else f"So: \\boxed{{{('red', 'blue')[drawn % 3 == 0]}}}"
        end = "\n</think>\n\n" if self.ends else "\n"
        text = f"<think>\n{_DRAFTS['question' if asks else 'answer']}{end}{said}"
        vlm = self.policy.vlm
        ids = (*vlm.tokenizer(text, add_special_tokens=False)["input_ids"], *vlm.eos_ids[:1])
        return Completion(request.id, index, ids, (-0.5,) * len(ids), text, True)

    def metrics(self) -> dict[str, float]:
        return {}

    def close(self) -> None: ...


def _evolved(folder: Path, ends: str) -> tuple[list[dict[str, Any]], str]:
    """The metrics and what the terminal showed."""
    engine = f"{{type: custom, import_path: '{__name__}:Thinker', ends: {ends}}}"
    settings = load_settings(
        "paper-lab", [*TINY, f"engine={engine}", "reasoner.reward=silver"], {"images": "lab/clean"}
    )
    screen = io.StringIO()
    with RunDirectory.create(folder, settings) as run:
        run_evolution(run, RunInputs(drawings("clean", 8, 0)[0], (), None), Console(file=screen, width=500))
    return read_metrics(folder / "metrics.jsonl"), screen.getvalue()


def test_thinking_roles_ask_answer_and_learn(tmp_path: Path) -> None:
    lines, shown = _evolved(tmp_path / "run", ends="true")
    assert [line["phase"] for line in lines] == ["questioner", "silver", "reasoner", "reasoner"]
    asked, silver, *learned = lines
    assert asked["valid"] == 1 and silver["valid"] == silver["asked"] > 0
    assert silver["kept"] > 0 and silver["unboxed_share"] == 0
    assert silver["types"] == {"numerical": silver["candidates"]}
    assert all(0 < line["reward"] < 1 for line in learned)
    assert "warning" not in shown


def test_thoughts_without_an_end_are_told_at_once(tmp_path: Path) -> None:
    lines, shown = _evolved(tmp_path / "run", ends="false")
    assert lines[0]["valid"] == 0
    assert shown.count("warning: 0 of the Questioner's first 8 outputs have the form") == shown.count("warning") == 1
    assert "<think>\\nA draft would be" in shown
