"""A regression that was planted is taken back: on the real tiny model, to the very weights of what was accepted."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from tests.real_processes import preloaded
from visplay.config import Settings, load_settings
from visplay.data.sampler import Sampler
from visplay.interfaces.engine import Sampling
from visplay.lab.sources.drawings import LabSource
from visplay.lab.suites.tasks import lab_suites
from visplay.models.names import model_name
from visplay.models.vlm import VLM
from visplay.runs import RunDirectory
from visplay.selfplay.acceptance import hold_out_images
from visplay.selfplay.context import RunInputs
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.loop import self_play
from visplay.selfplay.run import run_evolution
from visplay.selfplay.state import SelfPlayState
from visplay.types import Completion, Request

SMALL = [
    "questioner.steps=1",
    "questioner.images_per_step=2",
    "questioner.group_size=4",
    "questioner.votes=4",
    "questioner.learning_rate=1e-4",
    "silver.images=8",
    "silver.votes=4",
    "silver.gates=[answered]",
    "reasoner.questions_per_step=4",
    "reasoner.group_size=4",
    "evaluation.sampled=false",
    "evaluation.paper_comparison=8",
    "acceptance.images=24",
    "acceptance.votes=4",
    "checkpoint_every=9",
]
SPOILT = [*SMALL, "iterations=4", "reasoner.reward=random", "reasoner.steps=3", "rl.learning_rate=3e-3"]


def settings(*changes: str) -> Settings:
    return load_settings("paper-lab", changes, {"images": "lab/single", "seed": 0})


@cache
def inputs() -> RunInputs:
    """Few drawings, of which a fifth may be held out, with their truth."""
    drawings = LabSource(style="single", count=120)
    suites = tuple(lab_suites(0, 2, ["single"], ["pastel"]))
    return RunInputs(drawings.open(seed=0).images, suites, drawings.observer(seed=0))


def evolved(run: Path, chosen: Settings) -> Path:
    """A run that is begun, or goes on where it was interrupted."""
    exists = (run / "config.yaml").exists()
    with RunDirectory.open(run) if exists else RunDirectory.create(run, chosen) as directory:
        run_evolution(directory, inputs(), Console(quiet=True))
    return run


def lines(run: Path, phase: str = "") -> list[dict[str, Any]]:
    """Metrics without what may differ between two runs."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "time"} for line in found if phase in ("", line["phase"])]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(VLM.load(folder, device="cpu").model.state_dict())


def pinned(run: Path, name: str) -> Path:
    """The checkpoint that the run's state keeps under a name."""
    state = json.loads((run / "state.json").read_text())["state"]
    return run / "checkpoints" / str(state["pinned"][name])


def same(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def base() -> dict[str, torch.Tensor]:
    return weights(Path(model_name("lab")))


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evolved(tmp_path_factory.mktemp("rollback") / "run", settings(*SPOILT))


def test_a_planted_regression_is_taken_back_and_ends_the_run(spoilt: Path, base: dict[str, torch.Tensor]) -> None:
    frozen, *verdicts = lines(spoilt, "accept")
    assert frozen["frozen_questions"] > 20
    assert [v["accepted"] for v in verdicts] == [False, False], "two rejections end the run"
    assert max(line["iteration"] for line in lines(spoilt)) == 2
    for found in verdicts:
        assert found["against"] == 0 and found["kept_ci95"][1] < 0
        assert found["oracle_accepts"] is False and found["true_change"] < 0, "who knows the truth agrees"
    learned = [line for line in lines(spoilt, "reasoner") if line["step"] == 0]
    assert len(learned) == 2 and all(abs(line["kl"]) < 1e-6 for line in learned), "each began as the base"
    for role in ("questioner", "reasoner"):
        assert same(weights(spoilt / role), base) and same(weights(pinned(spoilt, "accepted") / role), base)


def test_a_run_that_was_ended_is_finished_cleanly(spoilt: Path) -> None:
    summary = json.loads((spoilt / "summary.json").read_text())
    told = summary["acceptance"]
    assert [(v["iteration"], v["accepted"], v["against"]) for v in told] == [(1, False, 0), (2, False, 0)]
    assert all({"oracle_accepts", "true_accuracy", "true_change", "kept_change"} < v.keys() for v in told)
    assert len(summary["suites"]["lab/single/pastel"]["iterations"]) == len(summary["silver"]) == 2
    assert all(s["paper_kept"] <= s["paper_asked"] == 8 for s in summary["silver"])
    rows = pq.read_table(spoilt / "silver.parquet").to_pylist()
    assert {row["iteration"] for row in rows} == {1, 2} and len(rows) == sum(s["kept"] for s in summary["silver"])
    before = lines(spoilt)
    assert lines(evolved(spoilt, settings(*SPOILT))) == before, "nothing is left to do"
    assert json.loads((spoilt / "summary.json").read_text())["acceptance"] == told


def test_held_out_images_are_in_no_silver_set_and_are_never_drawn(spoilt: Path) -> None:
    held, rest = hold_out_images(inputs().images, 24, 0)
    assert len(held) == 24 and len(rest) == 96
    images = {
        name: set(pq.read_table(spoilt / f"{name}.parquet")["image"].to_pylist())
        for name in ("silver", "acceptance/anchor")
    }
    assert images["acceptance/anchor"] <= {image.id for image in held}
    assert images["silver"] <= {image.id for image in rest}
    drawing_from = json.loads((spoilt / "state.json").read_text())["state"]["parts"]["sampler"]["images"]
    assert drawing_from == Sampler(rest, 0).state()["images"]


class Overheard:
    """An engine that keeps which images it was asked about, by who asked."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.seen: dict[bool, set[str]] = {True: set(), False: set()}

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        for request in requests:
            self.seen["acceptance/" in request.id].add(request.image.id.partition("~")[0])
        found: dict[str, tuple[Completion, ...]] = self.engine.generate(requests, sampling)
        return found

    def metrics(self) -> dict[str, float]:
        return {}


@pytest.mark.long
def test_a_rejected_iteration_goes_back_to_the_last_accepted_one(tmp_path: Path, base: dict[str, torch.Tensor]) -> None:
    run, alone = tmp_path / "run", RunInputs(inputs().images, (), None)
    # The first iteration changes the Questioner alone, which costs no answer; the others spoil the Reasoner.
    remembers = ["questioner.history_size=64"]
    calm = settings(*SPOILT, *remembers, "iterations=1", "reasoner.steps=0")
    with RunDirectory.create(run, calm) as directory:
        self_play(alone, SelfPlayState(calm), calm, RunLogger(directory, calm, Console(quiet=True)))
    accepted = {role: weights(pinned(run, "accepted") / role) for role in ("questioner", "reasoner")}
    assert not same(accepted["questioner"], base) and same(accepted["reasoner"], base)
    optimizers = {role: optimizer(run, role) for role in accepted}

    harsh = settings(*SPOILT, *remembers, "reasoner.questions_per_step=12")
    state = SelfPlayState(harsh)
    engines = [Overheard(state.questioner.engine), Overheard(state.reasoner.engine)]
    state.questioner.engine, state.reasoner.engine = engines
    with RunDirectory.open(run) as directory:
        self_play(alone, state, harsh, RunLogger(directory, harsh, Console(quiet=True)))
    told = [(v.get("accepted"), v.get("against")) for v in lines(run, "accept")]
    assert told == [(None, None), (True, 0), (False, 1), (False, 1)]
    for role, policy in (("questioner", state.questioner_policy), ("reasoner", state.reasoner_policy)):
        assert same(dict(policy.model.state_dict()), accepted[role])
        assert same(weights(pinned(run, "accepted") / role), accepted[role])
        assert repr(optimizer(run, role)) == repr(optimizers[role])
    assert repr(state.questioner_trainer.optimizer.state_dict()) == repr(optimizers["questioner"])
    history = json.loads((pinned(run, "accepted") / "history.json").read_text())
    assert state.questioner.history.state() == history and 0 < len(history["texts"]) <= 8, "of one iteration alone"
    kept = {folder.name for folder in (run / "checkpoints").iterdir()}
    assert kept == {pinned(run, "accepted").name, "3-reasoner-2"}, "the accepted one, and the rejected one before it"
    assert not any("judge" in key or "true" in key for line in lines(run, "accept") for key in line)

    held, rest = ({image.id for image in part} for part in hold_out_images(alone.images, 24, 0))
    for engine in engines:
        assert engine.seen[False] <= rest and engine.seen[True] <= held
    assert engines[0].seen[False] and engines[1].seen[True]


def optimizer(run: Path, role: str) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(pinned(run, "accepted") / f"{role}-trainer" / "optimizer.pt", weights_only=True)
    return state


def test_what_does_no_harm_is_kept(tmp_path: Path, base: dict[str, torch.Tensor]) -> None:
    run = evolved(tmp_path / "run", settings(*SMALL, "iterations=1", "reasoner.steps=1", "rl.learning_rate=1e-6"))
    assert [v.get("accepted") for v in lines(run, "accept")] == [None, True]
    for role in ("questioner", "reasoner"):
        ours = weights(run / role)
        assert same(ours, weights(pinned(run, "accepted") / role)) and not same(ours, base)


def dies(run: Path, chosen: Settings, moment: tuple[int, str], remembered: bool, threads: int) -> None:
    """Evolve and be killed at a moment: when its state is written, or when all is done but that."""
    torch.set_num_threads(threads)  # a run repeats itself only with the same number
    save = RunDirectory.save_state

    def save_and_die(self: RunDirectory, state: dict[str, Any]) -> None:
        last = (state["iteration"], state["phase"]) == moment
        if remembered or not last:
            save(self, state)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    RunDirectory.save_state = save_and_die  # type: ignore[method-assign]
    evolved(run, chosen)


@pytest.mark.long
def test_a_run_killed_around_its_verdict_goes_on_as_if_it_had_not_been(
    spoilt: Path, tmp_path: Path, base: dict[str, torch.Tensor]
) -> None:
    run = tmp_path / "run"
    deaths = [((0, "accept"), False), ((1, "measure"), True), ((1, "accept"), False)]
    for number, (moment, remembered) in enumerate(deaths):
        arguments = (run, settings(*SPOILT), moment, remembered, torch.get_num_threads())
        process = preloaded().Process(target=dies, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, f"death {number}"
        assert 0 < len(lines(run)) < len(lines(spoilt))
    evolved(run, settings(*SPOILT))
    assert lines(run) == lines(spoilt)
    assert same(weights(run / "reasoner"), base) and same(weights(run / "questioner"), base)
