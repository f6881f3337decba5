"""Small steps must not be rounded away, whatever type the weights have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visplay.config import LoraSettings, RLSettings
from visplay.models.policy import new_policy
from visplay.models.vlm import VLM
from visplay.rl.optimizer import MasterOptimizer
from visplay.rl.trainer import Trainer

SETTINGS = RLSettings(learning_rate=1e-6, weight_decay=0.0)
STEPS = 400


def _weights(dtype: torch.dtype) -> torch.nn.Parameter:
    # As large as those of a language model, where bfloat16 tells 0.02 from 0.0201 at best.
    values = 0.02 * torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
    return torch.nn.Parameter(values.bfloat16().to(dtype))


def _gradients() -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return [(1 + torch.randn(64, 32, generator=random)).bfloat16() for _ in range(STEPS)]


def _stepped(parameter: torch.nn.Parameter, optimizer: MasterOptimizer, gradients: list[torch.Tensor]) -> torch.Tensor:
    for gradient in gradients:
        parameter.grad = gradient.to(parameter.dtype)
        optimizer.step()
    return parameter.detach()


def test_a_bfloat16_weight_moves_as_a_float32_one_does_within_rounding() -> None:
    whole, rounded = _weights(torch.float32), _weights(torch.bfloat16)
    begun = whole.detach().clone()
    expected = _stepped(whole, MasterOptimizer([whole], SETTINGS), _gradients())
    found = _stepped(rounded, MasterOptimizer([rounded], SETTINGS), _gradients())
    assert torch.equal(found, expected.bfloat16())
    moved = expected - begun
    assert float((found.float() - begun).mean()) == pytest.approx(float(moved.mean()), rel=0.05)
    # What AdamW does to the same weights without masters, for which this is here.
    alone = _weights(torch.bfloat16)
    plain = torch.optim.AdamW([alone], lr=1e-6, weight_decay=0.0)
    for gradient in _gradients():
        alone.grad = gradient
        plain.step()
    off = float((alone.detach().float() - expected).abs().mean())
    assert float((found.float() - expected).abs().mean()) < 0.7 * off
    assert abs(float((alone.detach().float() - begun).mean())) < 0.5 * abs(float(moved.mean()))


def test_float32_weights_are_their_own_masters() -> None:
    ours, theirs = _weights(torch.float32), _weights(torch.float32)
    optimizer = MasterOptimizer([ours], SETTINGS)
    plain = torch.optim.AdamW([theirs], lr=1e-6, weight_decay=0.0)
    for gradient in _gradients():
        theirs.grad = gradient.float()
        plain.step()
    assert torch.equal(_stepped(ours, optimizer, _gradients()), theirs)
    assert optimizer.inner.param_groups[0]["params"][0] is ours


@pytest.mark.parametrize("away", [False, True])
def test_masters_are_kept_and_go_on(tmp_path: Path, away: bool) -> None:
    gradients = _gradients()
    parameter = _weights(torch.bfloat16)
    optimizer = MasterOptimizer([parameter], SETTINGS)
    half = _stepped(parameter, optimizer, gradients[:25]).clone()
    if away:
        optimizer.offloader.offload()
    optimizer.save(tmp_path)
    expected = _stepped(parameter, optimizer, gradients[25:50])
    other = torch.nn.Parameter(half)
    resumed = MasterOptimizer([other], SETTINGS)
    if away:
        resumed.offloader.offload()
    resumed.restore(tmp_path)
    assert torch.equal(_stepped(other, resumed, gradients[25:50]), expected)
    (tmp_path / "masters.pt").unlink()
    resumed.restore(tmp_path)  # as runs did before there were masters
    assert torch.equal(resumed.inner.param_groups[0]["params"][0], other.detach().float())


def test_a_role_in_bfloat16_has_masters_and_one_with_adapters_needs_none(model_folder: Path) -> None:
    base = VLM.load(model_folder, "bfloat16", "cpu")
    full = new_policy(base, "reasoner", "full", LoraSettings())
    masters = Trainer(full, SETTINGS).optimizer.param_groups[0]["params"]
    assert {m.dtype for m in masters} == {torch.float32}
    assert {p.dtype for p in full.trainable()} == {torch.bfloat16}
    lora = new_policy(VLM.load(model_folder, "bfloat16", "cpu"), "reasoner", "lora", LoraSettings(rank=2))
    assert all(
        m is p
        for m, p in zip(Trainer(lora, SETTINGS).optimizer.param_groups[0]["params"], lora.trainable(), strict=True)
    )
