"""Several processes find what one finds: the same answers, the same gradients, the same run."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.real_processes import together, visplay
from tests.tiny_runs import FLAGS
from visplay.cli.main import main
from visplay.config import LoraSettings, RLSettings
from visplay.distributed.controller import Controller, init_distributed, on_all_ranks
from visplay.errors import DistributedError
from visplay.generation.backends.transformers import TransformersEngine
from visplay.generation.factory import DistributedEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy, new_policy
from visplay.models.vlm import VLM
from visplay.rl.trainer import Trainer
from visplay.types import Group, ImageRef, Request

Tune = Literal["full", "lora"]
PICTURES = 5


@given(st.lists(st.integers(0, 1000), max_size=40), st.integers(1, 9))
def test_work_is_shared_evenly_and_every_piece_is_somebodys(sizes: list[int], size: int) -> None:
    owners = Controller(0, size).partition(sizes)
    loads = [sum(s for s, owner in zip(sizes, owners, strict=True) if owner == rank) for rank in range(size)]
    assert max(loads) <= sum(sizes) / size + max(sizes, default=0)
    pieces = {f"piece {place}": float(piece) for place, piece in enumerate(sizes)}
    shares = [Controller(rank, size).my_share(pieces) for rank in range(size)]
    assert sorted(key for share in shares for key in share) == sorted(pieces)


class Adder:
    """A member of each process that keeps what it was called with."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.called: list[tuple[int, int]] = []
        controller.register(self)

    @on_all_ranks
    def add(self, first: int, *, second: int = 0) -> int:
        self.called.append((first, second))
        return first + second


def _called() -> list[tuple[int, int]]:
    with init_distributed() as controller:
        adder = Adder(controller)
        if controller.is_main:
            assert adder.add(1, second=2) == 3 and adder.add(4) == 4
            controller.shutdown()
        else:
            controller.serve()
    return adder.called


@pytest.mark.parametrize("as_torchrun", [False, True], ids=["of one machine", "as of torchrun"])
def test_all_processes_are_called_with_the_same_arguments_keywords_too(tmp_path: Path, as_torchrun: bool) -> None:
    assert together(2, _called, folder=tmp_path, as_torchrun=as_torchrun) == [[(1, 2), (4, 0)]] * 2


def _exchanged() -> list[Any]:
    with init_distributed() as controller:
        mine = [controller.rank, "x" * 10 ** (2 * controller.rank)]
        return [controller.broadcast(mine), controller.gather(mine), controller.gather(None)]


def test_values_of_any_size_reach_every_process(tmp_path: Path) -> None:
    first, second, third = together(3, _exchanged, folder=tmp_path)
    lines = [[0, "x"], [1, "x" * 100], [2, "x" * 10_000]]
    assert first == [[0, "x"], lines, [None] * 3]
    assert second == third == [[0, "x"], [], []]


class Answering:
    """A member that may be called with `answer`, and with nothing else."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        controller.register(self)

    def forget(self) -> None:
        raise AssertionError("called without the decorator")


def _called_wrongly() -> str:
    with init_distributed() as controller:
        member = Answering(controller)
        if controller.is_main:
            controller.call_others(member, "forget", (), {})
            return ""
        with pytest.raises(DistributedError) as refused:
            controller.serve()
        return str(refused.value)


def test_a_message_calls_only_methods_for_all_ranks(tmp_path: Path) -> None:
    assert together(2, _called_wrongly, folder=tmp_path)[1].startswith("process 1 called forget, which is not")


def _requests(images: tuple[ImageRef, ...]) -> list[Request]:
    return [Request(f"{p.id}/{q}", p, q, 4) for p in images[:PICTURES] for q in ("What?", "Where is it?")]


def _asked(folder: Path, images: tuple[ImageRef, ...]) -> list[tuple[str, list[int]]]:
    with init_distributed() as controller:
        engine = DistributedEngine(TransformersEngine(Policy(VLM.load(folder, device="cpu")), seed=3), controller)
        if not controller.is_main:
            controller.serve()
            return []
        found = engine.generate(_requests(images), Sampling(max_tokens=6))
        controller.shutdown()
    return [(c.request_id, list(c.token_ids)) for completions in found.values() for c in completions]


def test_answers_are_those_of_one_process(
    vlm: VLM, model_folder: Path, images: tuple[ImageRef, ...], tmp_path: Path
) -> None:
    found, nothing = together(2, _asked, model_folder, images, folder=tmp_path)
    alone = TransformersEngine(Policy(vlm), seed=3).generate(_requests(images), Sampling(max_tokens=6))
    assert found == [(c.request_id, list(c.token_ids)) for completions in alone.values() for c in completions]
    assert nothing == []


def _groups(folder: Path, images: tuple[ImageRef, ...]) -> list[Group]:
    """Rewards that can be learned, and one group that teaches nothing."""
    found = TransformersEngine(Policy(VLM.load(folder, device="cpu")), seed=0).generate(
        _requests(images), Sampling(max_tokens=6)
    )
    groups = [
        Group(request, completions, tuple(sum(i % 2 == 0 for i in c.token_ids) / 6 for c in completions))
        for request, completions in zip(_requests(images), found.values(), strict=True)
    ]
    flat = groups[0]
    return [Group(flat.request, flat.completions, (0.5,) * 4), *groups[1:]]


CASES: dict[str, tuple[Tune, str, dict[str, Any]]] = {
    "full": ("full", "float32", {}),
    "adapters": ("lora", "float32", {"entropy": 0.01}),
    "two updates": ("full", "float32", {"updates_per_step": 2, "importance_cap": 2.0, "kl": 0.0}),
    "one group": ("full", "float32", {"updates_per_step": 10, "kl": 0.0}),
    "masters": ("full", "bfloat16", {}),
}


def _trained(folder: Path, images: tuple[ImageRef, ...]) -> dict[str, Any]:
    with init_distributed() as controller:
        return _train(controller, folder, images)


def _train(controller: Controller, folder: Path, images: tuple[ImageRef, ...]) -> dict[str, Any]:
    """Weights and metrics after two steps of each case."""
    groups = _groups(folder, images)
    found = {}
    for name, (tune, dtype, changes) in CASES.items():
        torch.manual_seed(0)
        policy = new_policy(VLM.load(folder, dtype, "cpu"), "reasoner", tune, LoraSettings(rank=4, alpha=8))
        controller.broadcast_tensors(policy.trainable(), [0] * len(policy.trainable()))
        trainer = Trainer(policy, RLSettings(learning_rate=1e-3, **changes), 6, controller)
        if controller.is_main:
            metrics = [trainer.step(groups), trainer.step(groups)]
            controller.shutdown()
        else:
            metrics = []
            controller.serve()
        found[name] = {
            "weights": torch.cat([p.detach().float().flatten() for p in policy.trainable()]),
            "metrics": metrics,
            "moments": len(trainer.optimizer.state),
        }
    return found


def test_a_step_is_that_of_one_process(model_folder: Path, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    first, second = together(2, _trained, model_folder, images, folder=tmp_path)
    alone = _train(Controller(), model_folder, images)
    base = VLM.load(model_folder, device="cpu")
    begun = torch.cat([p.detach().flatten() for p in base.model.parameters()])
    for name, (_, dtype, _) in CASES.items():
        one, two, expected = first[name], second[name], alone[name]
        assert torch.equal(one["weights"], two["weights"]), name
        # AdamW makes a step of the rate's size of the least gradient, so rounding shows where there is hardly any.
        error = (one["weights"] - expected["weights"]).abs()
        assert float(error.mean()) < (1e-6 if dtype == "float32" else 1e-4), name
        for ours, theirs in zip(one["metrics"], expected["metrics"], strict=True):
            rounding = {"rel": 1e-3, "abs": 1e-5} if dtype == "float32" else {"rel": 2e-2, "abs": 1e-3}
            assert ours == pytest.approx(theirs, **rounding), name
        assert one["moments"] > 0 and two["moments"] > 0, name
        assert one["moments"] + two["moments"] == expected["moments"], name
    assert begun.numel() > 0 and alone["full"]["metrics"][0]["grad_norm"] > 0


LORA = [*FLAGS, "--set", "tune=lora", "--set", "lora.rank=2", "--set", "acceptance.images=0"]


def _lines(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in lines]


def _assert_same(run: Path, other: Path) -> None:
    for ours, theirs in zip(_lines(run), _lines(other), strict=True):
        plain = {key: value for key, value in theirs.items() if not isinstance(value, float)}
        assert {key: ours[key] for key in plain} == plain
        floats = {key: value for key, value in theirs.items() if isinstance(value, float)}
        assert {key: ours[key] for key in floats} == pytest.approx(floats, rel=1e-3, abs=1e-6)
    learned = ["id", "image", "question", "votes", "confidence", "silver_answer"]
    ours, theirs = (pq.read_table(folder / "silver.parquet", columns=learned) for folder in (run, other))
    assert ours.equals(theirs) and ours.num_rows > 0


def _ranks_of(launcher: int) -> dict[str, int]:
    """Process ids of what a launcher started, by their rank."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    found = {}
    for child in children:
        variables = dict(part.partition("=")[::2] for part in Path(f"/proc/{child}/environ").read_text().split("\0"))
        if "RANK" in variables:
            found[variables["RANK"]] = int(child)
    return found


def test_a_run_of_two_is_that_of_one_also_when_it_goes_on_alone(tmp_path: Path) -> None:
    assert main([*FLAGS, "--out", str(tmp_path / "alone")]) == 0

    begun = visplay(*FLAGS, "--processes", "2", "--out", str(tmp_path / "run"))
    assert begun.stdout is not None
    for line in begun.stdout:
        if "questioner 1/1" in line:
            break
    os.kill(_ranks_of(begun.pid)["0"], signal.SIGKILL)
    _, error = begun.communicate(timeout=120)
    assert begun.returncode == 2
    assert error == "visplay: process 1 of 2 was killed (SIGKILL); continue with `visplay evolve --resume --out DIR`\n"
    done = len(_lines(tmp_path / "run"))
    assert 0 < done < len(_lines(tmp_path / "alone"))
    assert len(list((tmp_path / "run").rglob("optimizer-*-of-2.pt"))) > 0

    assert main(["evolve", "--resume", "--out", str(tmp_path / "run")]) == 0
    _assert_same(tmp_path / "run", tmp_path / "alone")


NAMES = ("random_reward", "no_questioner", "sft")


@pytest.mark.long
def test_controls_are_shared_too(tmp_path: Path) -> None:
    assert together(2, main, [*LORA, "--controls", *NAMES, "--out", str(tmp_path / "run")], folder=tmp_path) == [0, 0]
    assert main([*LORA, "--out", str(tmp_path / "alone")]) == 0
    _assert_same(tmp_path / "run", tmp_path / "alone")
    controls = json.loads((tmp_path / "run" / "summary.json").read_text())["controls"]
    assert set(controls) == set(NAMES)


@pytest.mark.long
def test_what_is_wrong_in_all_is_said_once_and_nothing_is_left_behind(tmp_path: Path, model_folder: Path) -> None:
    damaged, temporary = tmp_path / "damaged", tmp_path / "temporary"
    shutil.copytree(model_folder, damaged)
    (damaged / "model.safetensors").write_bytes(b"no weights")
    temporary.mkdir()
    flags = ("--processes", "2", "--model", str(damaged), "--out", str(tmp_path / "run"))
    refused = visplay(*FLAGS, *flags, TMPDIR=str(temporary))
    _, error = refused.communicate(timeout=120)
    assert refused.returncode == 2
    assert error.startswith(f"visplay: cannot load model '{damaged}'") and len(error.splitlines()) == 1
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "arguments, environment, told",
    [
        (["evolve", "--processes", "0", "--out", "x"], {}, "--processes must be at least 1"),
        (["doctor"], {"WORLD_SIZE": "2", "RANK": "0"}, "only `visplay evolve` shares its work"),
        (["evolve", "--out", "x"], {"WORLD_SIZE": "two"}, "WORLD_SIZE=two is not a number"),
        (["evolve", "--out", "x"], {"WORLD_SIZE": "2"}, "cannot connect to each other"),
    ],
)
def test_what_cannot_be_shared_is_refused(
    arguments: list[str],
    environment: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("visplay: ") and told in error and len(error.splitlines()) == 1
