"""What a phase does not use waits in CPU memory; nothing computes with it there, and no figure knows of it.

On a CPU nothing really moves: what is seen here is which weights are away when something computes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.tiny_runs import TINY
from visplay.config import Settings, load_settings
from visplay.lab.drawings import drawings
from visplay.lab.suites.tasks import lab_suites
from visplay.models.offload import Offloader
from visplay.runs import RunDirectory
from visplay.selfplay.context import RunInputs
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.loop import self_play
from visplay.selfplay.state import SelfPlayState

WORLD = RunInputs(drawings("clean", 16, 0)[0], tuple(lab_suites(0, 2, ["color"], ["pastel"])), None)


def _settings(*changes: str) -> Settings:
    small = [*TINY, "questioner.steps=2", "questioner.learning_rate=1e-4", "acceptance.images=3", "acceptance.votes=2"]
    return load_settings("paper-lab", [*small, *changes], {"images": "lab/clean"})


def _places(state: SelfPlayState) -> dict[str, Offloader]:
    asking, answering = state.questioner_policy, state.reasoner_policy
    with asking.reference() as base:
        return {
            "base": base.offloader,
            "questioner": asking.vlm.offloader,
            "reasoner": answering.vlm.offloader,
            "questioner's optimizer": state.questioner_trainer.state_offloader,
            "reasoner's optimizer": state.reasoner_trainer.state_offloader,
        }


def _watch(state: SelfPlayState) -> dict[tuple[str, bool], set[str]]:
    """Filled with what is on the device when a model computes, by its name and whether it is being trained."""
    places, seen = _places(state), dict[tuple[str, bool], set[str]]()
    with state.questioner_policy.reference() as base:
        models = {"base": base, "questioner": state.questioner_policy.vlm, "reasoner": state.reasoner_policy.vlm}
    for name, vlm in models.items():

        def note(module: torch.nn.Module, *_: Any, name: str = name) -> None:
            assert places[name].on_device, f"the {name} computes with weights that were put away"
            present = {other for other, place in places.items() if place.on_device}
            trained = torch.is_grad_enabled()
            seen[name, trained] = seen.get((name, trained), set()) | present

        vlm.model.get_decoder().register_forward_pre_hook(note)
    return seen


def _evolved(folder: Path, settings: Settings) -> tuple[SelfPlayState, dict[tuple[str, bool], set[str]]]:
    state = SelfPlayState(settings)
    seen = _watch(state)
    with RunDirectory.create(folder, settings) as run:
        self_play(WORLD, state, settings, RunLogger(run, settings, Console(quiet=True)))
    return state, seen


def _lines(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "time"} for line in found]


def _moves(monkeypatch: pytest.MonkeyPatch) -> dict[Offloader, list[str]]:
    """Filled with the moves of each offloader's tensors from now on."""
    seen: dict[Offloader, list[str]] = defaultdict(list)
    move = Offloader._move

    def note(offloader: Offloader, device: torch.device) -> None:
        seen[offloader].append("away" if offloader.on_device else "back")
        move(offloader, device)

    monkeypatch.setattr(Offloader, "_move", note)
    return seen


def test_what_is_idle_is_away_and_no_figure_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moves = _moves(monkeypatch)
    stays, all_there = _evolved(tmp_path / "device", _settings("idle=device"))
    assert not moves
    leaves, there = _evolved(tmp_path / "cpu", _settings("idle=cpu"))
    assert _lines(tmp_path / "device") == _lines(tmp_path / "cpu")
    for role in ("questioner_policy", "reasoner_policy"):
        pairs = zip(getattr(stays, role).trainable(), getattr(leaves, role).trainable(), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
    everything = {"base", "questioner", "reasoner", "questioner's optimizer", "reasoner's optimizer"}
    assert all(present == everything for present in all_there.values())
    # The Reasoner votes on what the Questioner asks, so both are there when the Questioner learns.
    assert there["questioner", True] == everything - {"reasoner's optimizer"}
    assert there["reasoner", True] == {"base", "reasoner", "reasoner's optimizer"}
    # Of seven phases it is there for one, and comes once for both steps.
    assert moves[_places(leaves)["reasoner's optimizer"]] == ["away", "back", "away"]


def test_adapters_stay() -> None:
    state = SelfPlayState(_settings("tune=lora", "lora.rank=2"))
    state.offload_unused()
    assert all(place.on_device for place in _places(state).values())


def test_what_is_away_is_saved_and_restored(tmp_path: Path) -> None:
    settings = _settings()
    state, other = SelfPlayState(settings), SelfPlayState(settings)
    with torch.no_grad():
        for parameter in state.reasoner_policy.trainable():
            parameter.add_(0.01)
    state.offload_unused()
    state.save(tmp_path)
    other.offload_unused()
    other.restore(tmp_path)
    assert not any(place.on_device for name, place in _places(other).items() if name != "base")
    pairs = zip(other.reasoner_policy.trainable(), state.reasoner_policy.trainable(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
