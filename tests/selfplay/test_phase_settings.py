"""Phases with a reference and an optimizer of their own: on the real tiny model, also where a run was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.tiny_runs import TINY
from visplay.config import Settings, load_settings
from visplay.lab.drawings import drawings
from visplay.rl.trainer import Trainer
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import run_evolution
from visplay.selfplay.state import SelfPlayState

# No suite is measured, so that no checkpoint is written before the first step that trains.
INPUTS = RunInputs(drawings("clean", 12, 0)[0], (), None)
PHASES = ["rl.reference=phase", "rl.fresh_optimizer=true"]
CUTS = (
    2,
    3,
    2,
    3,
)  # calls of `Trainer.step` until an interruption: in the middle of phases, and before their first step


def _settings(*changes: str) -> Settings:
    longer = ["iterations=2", "questioner.steps=2", "questioner.reward=format", "reasoner.steps=3", "lora.rank=2"]
    longer += ["questioner.learning_rate=3e-4", "rl.learning_rate=3e-4"]
    return load_settings("paper-lab", [*TINY, *longer, *changes], {"images": "lab/clean"})


def _evolved(folder: Path, settings: Settings) -> list[dict[str, Any]]:
    """The metrics, without times, of a run that begins or goes on."""
    exists = folder.exists()
    with RunDirectory.open(folder) if exists else RunDirectory.create(folder, settings) as run:
        run_evolution(run, INPUTS, Console(quiet=True))
    return [{k: v for k, v in line.items() if k != "time"} for line in read_metrics(folder / "metrics.jsonl")]


def _learned(lines: list[dict[str, Any]], step: int) -> list[float]:
    return [line["kl"] for line in lines if line["phase"] in ("questioner", "reasoner") and line["step"] == step]


@pytest.mark.parametrize("tune", ["full", pytest.param("lora", marks=pytest.mark.long)])
def test_each_phase_is_held_to_the_weights_it_began_with(
    tune: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(f"tune={tune}", *PHASES)
    whole = _evolved(tmp_path / "whole", settings)
    assert len(_learned(whole, 0)) == 4 and all(abs(kl) < 1e-6 for kl in _learned(whole, 0))
    assert all(kl > 1e-6 for kl in _learned(whole, 2)), "a reference stays for its phase"

    step, cuts, left = Trainer.step, iter(CUTS), [next(iter(CUTS))]

    def interrupted(trainer: Trainer, groups: Any, decay: float) -> dict[str, float]:
        if not left[0]:
            left[0] = next(cuts, 99)
            raise KeyboardInterrupt
        left[0] -= 1
        return step(trainer, groups, decay)

    monkeypatch.setattr(Trainer, "step", interrupted)
    for _ in CUTS:
        with pytest.raises(KeyboardInterrupt):
            _evolved(tmp_path / "cut", settings)
    assert _evolved(tmp_path / "cut", settings) == whole


def test_by_default_the_reference_is_the_base_and_the_optimizer_goes_on(tmp_path: Path) -> None:
    lines = _evolved(tmp_path / "run", _settings())
    first, *others = _learned(lines, 0)
    assert abs(first) < 1e-6 and max(others) > 1e-5, "the second iteration begins away from the base"


@pytest.mark.parametrize("fresh", [True, False])
def test_a_fresh_optimizer_has_forgotten_all(fresh: bool) -> None:
    state = SelfPlayState(_settings(f"rl.fresh_optimizer={fresh}"))
    inner = state.reasoner_trainer.optimizer
    for parameter in state.reasoner_policy.trainable():
        parameter.grad = parameter.detach().clone()
    inner.step()
    assert len(inner.state) == len(state.reasoner_policy.trainable())
    state.begin_phase("questioner")
    assert inner.state, "the other role's phase changes nothing"
    state.begin_phase("reasoner")
    assert bool(inner.state) != fresh
