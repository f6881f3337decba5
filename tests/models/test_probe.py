"""The probe takes right trees and no broken ones, and refuses a model whose log-probabilities it does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from tests.parity.families import FAMILIES, PADDED, Tiny
from tests.parity.test_families import TinyVLM
from visplay.errors import ModelError
from visplay.models.probe import probe
from visplay.models.scores import CHUNK_NUMBERS
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
# Weights as the parity tests have them, and as untrained models have them, in which little depends on anything.
SIZES = pytest.mark.parametrize("weights", [0.15, 0.02])
WITH_TREES = pytest.mark.parametrize("family", [name for name in FAMILIES if name not in PADDED])


def _vlm(family: str, dtype: torch.dtype, weights: float) -> TinyVLM:
    tiny: Tiny = FAMILIES[family]()
    with torch.no_grad():
        for parameter in tiny.model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(weights / 0.15)
    tiny.model.to(dtype)
    pixels = tiny.pixels
    object.__setattr__(tiny, "pixels", lambda seed: _in_dtype(pixels(seed), dtype))
    return TinyVLM(tiny)


def _in_dtype(pixels: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return pixels | {"pixel_values": pixels["pixel_values"].to(dtype)}


@SIZES
@DTYPES
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_right_is_taken(family: str, dtype: torch.dtype, weights: float) -> None:
    vlm: Any = _vlm(family, dtype, weights)
    found = probe(vlm)
    assert bool(found.padded_because) == (family in PADDED), str(found)
    assert found.padded_difference < (1e-5 if dtype == torch.float32 else 5e-3)
    if family not in PADDED:
        assert found.difference is not None and found.tolerance is not None
        assert found.difference < found.tolerance < (2e-4 if dtype == torch.float32 else 0.11)


def _all_see_all(ends_L: np.ndarray) -> np.ndarray:
    return np.full_like(ends_L, len(ends_L))


def _one_node_too_many(ends_L: np.ndarray) -> np.ndarray:
    return np.minimum(ends_L + 1, len(ends_L))


@SIZES
@DTYPES
@WITH_TREES
@pytest.mark.parametrize("broken", [_all_see_all, _one_node_too_many])
def test_a_tree_with_a_wrong_mask_is_not_taken(
    family: str, dtype: torch.dtype, weights: float, broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = TokenTree.ends_L
    monkeypatch.setattr(TokenTree, "ends_L", lambda tree: broken(right(tree)))
    vlm: Any = _vlm(family, dtype, weights)
    found = probe(vlm)
    assert found.padded_because, str(found)


def _packed(vlm: TinyVLM, tree: TokenTree, right_AL: torch.Tensor) -> torch.Tensor:
    start = 1 + len(vlm.tiny.image_ids)
    return torch.cat([right_AL[:, :start], right_AL[:, start : start + 1] + torch.arange(len(tree) - start)], dim=1)


def _one_further(vlm: TinyVLM, tree: TokenTree, right_AL: torch.Tensor) -> torch.Tensor:
    return right_AL + torch.from_numpy(tree.depth_L >= 1 + len(vlm.tiny.image_ids))


@SIZES
@DTYPES
@WITH_TREES
@pytest.mark.parametrize("broken", [_packed, _one_further])
def test_a_tree_with_wrong_positions_is_not_taken(
    family: str, dtype: torch.dtype, weights: float, broken: Callable[..., torch.Tensor]
) -> None:
    if (weights, broken) == (0.02, _one_further):
        pytest.skip("what comes of it is as small as rounding")
    vlm: Any = _vlm(family, dtype, weights)
    right = vlm.positions
    vlm.positions = lambda tree, pixels: (
        broken(vlm, tree, right(tree, pixels)) if len(tree.paths) > 1 else right(tree, pixels)
    )
    assert probe(vlm).padded_because


@DTYPES
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_refused_if_its_log_probabilities_are_others(family: str, dtype: torch.dtype) -> None:
    vlm: Any = _vlm(family, dtype, 0.15)
    right = vlm.logits
    vlm.logits = lambda hidden_MH: 1.2 * right(hidden_MH)
    with pytest.raises(ModelError, match="log-probabilities differ from those of transformers") as error:
        probe(vlm)
    assert "\n" not in str(error.value)


def test_a_model_that_cannot_be_run_is_one_line() -> None:
    vlm: Any = _vlm("internvl", torch.float32, 0.15)
    vlm.model.model.get_image_features = lambda **_: None
    with pytest.raises(ModelError, match="cannot compute with models of type internvl") as error:
        probe(vlm)
    assert "\n" not in str(error.value)


class _Odd(Qwen2_5_VLForConditionalGeneration):
    """A family that does something of its own after the head."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs)
        output.logits = 2 * torch.tanh(output.logits / 3) - 0.1 * torch.arange(output.logits.shape[-1]) % 7
        return output


@pytest.mark.parametrize("chunks", [False, True])
def test_what_a_family_does_after_its_head_is_done(
    vlm: VLM, images: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, chunks: bool
) -> None:
    monkeypatch.setattr("visplay.models.scores.CHUNK_NUMBERS", 3 * vlm.head.out_features if chunks else CHUNK_NUMBERS)
    prompt = vlm.encode(images[0], "What?")
    ids = torch.tensor([[*prompt.token_ids, *range(40, 50)]])
    tree, start = TokenTree.build(ids.tolist()), len(prompt.token_ids)
    plain = vlm.logprobs([tree], [prompt.pixels], [[start]]).logprobs_ST
    vlm.model.__class__ = _Odd
    vlm.model.requires_grad_(True)
    logits = vlm.model(
        input_ids=ids, attention_mask=torch.ones_like(ids), **vlm.token_types(ids), **prompt.pixels
    ).logits
    expected = (logits / 1.3)[0, start - 1 : -1].log_softmax(-1).gather(1, ids[0, start:, None])[:, 0]
    found = vlm.logprobs([tree], [prompt.pixels], [[start]], temperature=1.3).logprobs_ST[0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert float((found - plain[0]).abs().max()) > 0.1
    (wanted,) = torch.autograd.grad(expected.sum(), vlm.head.weight, retain_graph=True)
    (gradient,) = torch.autograd.grad(found.sum(), vlm.head.weight)
    torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)
    assert probe(vlm).padded_because == ""


def test_a_model_that_cannot_pack_trees_is_measured_too() -> None:
    vlm: Any = _vlm("gemma4", torch.float32, 0.15)
    found = probe(vlm)
    assert found.difference is None and "agrees with transformers to" in str(found)
