"""Each process keeps the optimizer state of its share of the weights, and any number of them goes on with it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.real_processes import together
from visplay.config import RLSettings
from visplay.distributed.controller import SINGLE_PROCESS, Controller, init_distributed
from visplay.rl.optimizer import MasterOptimizer

SIZES = (5000, 3, 4200, 1)
KINDS = [("float32", "adamw"), ("bfloat16", "adamw"), ("bfloat16", "adamw_8bit")]


def _weights(name: str) -> list[torch.nn.Parameter]:
    dtype = getattr(torch, name)
    generator = torch.Generator().manual_seed(1)
    return [torch.nn.Parameter((torch.randn(size, generator=generator) * 0.02).to(dtype)) for size in SIZES]


def _step(optimizer: MasterOptimizer, weights: list[torch.nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator).to(weight.dtype)
    weights[-1].grad = None  # nothing ever reaches it
    optimizer.step()


def _three_steps(controller: Controller, folder: Path, dtype: str, kind: str) -> list[torch.Tensor]:
    """Go on with what `folder` holds, and leave it there."""
    weights = _weights(dtype)
    optimizer = MasterOptimizer(
        weights, RLSettings.model_validate({"learning_rate": 1e-3, "optimizer": kind}), controller
    )
    kept = sorted(folder.glob("*"), key=lambda path: int(path.name))
    done = int(kept[-1].name) if kept else 0
    if kept:
        for weight, value in zip(weights, torch.load(kept[-1] / "weights", weights_only=True), strict=True):
            weight.data.copy_(value)
        optimizer.restore(kept[-1])
    for step in range(done, done + 3):
        _step(optimizer, weights, step)
    optimizer.save(folder / str(done + 3))
    if controller.is_main:
        torch.save([weight.detach() for weight in weights], folder / str(done + 3) / "weights")
    return [weight.detach() for weight in weights]


def _all(folder: Path, kinds: Sequence[tuple[str, str]]) -> list[list[torch.Tensor]]:
    with init_distributed() as controller:
        return [_three_steps(controller, folder / "-".join(kind), *kind) for kind in kinds]


def _folders(folder: Path) -> Path:
    for kind in KINDS:
        (folder / "-".join(kind)).mkdir(parents=True)
    return folder


def test_states_go_on_in_any_number_of_processes(tmp_path: Path) -> None:
    """There are more processes than weights for a while, and none has what the others keep."""
    kinds = KINDS if find_spec("bitsandbytes") else KINDS[:2]
    ours, alone = _folders(tmp_path / "ours"), _folders(tmp_path / "alone")
    for size in (2, 5, 1, 3):
        found = together(size, _all, ours, kinds, folder=tmp_path)
        expected = [_three_steps(SINGLE_PROCESS, alone / "-".join(kind), *kind) for kind in kinds]
        for of_rank in found:
            for kind, one, other in zip(kinds, of_rank, expected, strict=True):
                assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True)), (size, kind)
    files = sorted(path.name for path in (ours / "bfloat16-adamw" / "6").glob("optimizer*"))
    assert files == [f"optimizer-{number}-of-5.pt" for number in range(1, 6)]


def test_a_state_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    together(2, _all, _folders(tmp_path), KINDS[:1], folder=tmp_path)
    folder = tmp_path / "float32-adamw" / "3"
    (folder / "optimizer-2-of-2.pt").unlink()
    with pytest.raises(ValueError, match="not that of 4 weights"):
        MasterOptimizer(_weights("float32"), RLSettings()).restore(folder)
