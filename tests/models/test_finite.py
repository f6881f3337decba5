"""Weights that are not finite are neither written nor used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from visplay.config import LoraSettings
from visplay.errors import ModelError
from visplay.models.finite import check_finite
from visplay.models.policy import new_policy
from visplay.models.vlm import VLM


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_one_value_is_enough(value: float, dtype: torch.dtype) -> None:
    weight = torch.zeros(3, 4, dtype=dtype)
    check_finite([("a", weight), ("empty", torch.zeros(0)), ("counts", torch.ones(2, dtype=torch.int64))], "x", "y")
    weight[2, 1] = value
    with pytest.raises(ModelError, match="x: the weight a is not finite; y"):
        check_finite([("a", weight)], "x", "y")


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_a_role_is_checked_before_it_is_written_and_when_it_is_read(vlm: VLM, tune: str, tmp_path: Path) -> None:
    policy = new_policy(vlm, "reasoner", tune, LoraSettings(rank=2))
    policy.save(tmp_path)
    policy.load(tmp_path)
    weight = policy.trainable()[0]
    with torch.no_grad():
        weight.view(-1)[0] = float("nan")
    with pytest.raises(ModelError, match=r"the reasoner cannot be saved: the weight .* is not finite; lower"):
        policy.save(tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    tensors = load_file(file)
    next(tensor for tensor in tensors.values() if tensor.numel()).view(-1)[0] = float("inf")
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="is not finite; it cannot be used"):
        policy.load(tmp_path)
    if tune == "full":
        with pytest.raises(ModelError, match="is not finite; its files are damaged"):
            VLM.load(tmp_path, device="cpu")
