"""Adapters: where they are, where asked, and what is said of the rest."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from tests.parity.families import FAMILIES
from tests.parity.test_families import TinyVLM
from visplay.config import LoraSettings, load_settings
from visplay.errors import ConfigError, ModelError
from visplay.models.policy import LoraPolicy
from visplay.models.token_tree import TokenTree
from visplay.types import ImageRef

LEFT_OUT = {
    "qwen3_5": {
        f"linear_attn.{name} (1)" for name in ("in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a", "out_proj")
    },
    "glm4v": {"mlp.gate_up_proj (2)"},
    "gemma4": {"language_model.per_layer_model_projection (1)"}
    | {f"{layer}.{name} (1)" for layer in "01" for name in ("per_layer_input_gate", "per_layer_projection")},
}
IMAGE = ImageRef("a", b"")


class _Named(TinyVLM):
    name = "tiny"


def _policies(vlm: Any, *targets: str) -> list[LoraPolicy]:
    settings = LoraSettings(rank=2, alpha=4, **({"targets": targets} if targets else {}))  # type: ignore[arg-type]
    return [LoraPolicy(vlm, role, settings) for role in ("questioner", "reasoner")]


def _adapted(policy: LoraPolicy) -> set[str]:
    names = {id(p): name for name, p in policy.model.named_parameters()}
    return {names[id(p)].partition(".lora_")[0] for p in policy.trainable()}


def _linear(root: torch.nn.Module) -> set[int]:
    return {id(module) for module in root.modules() if isinstance(module, torch.nn.Linear)}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_linear_is_every_linear_layer_of_the_decoder(family: str) -> None:
    vlm = _Named(FAMILIES[family]())
    inside = _linear(vlm.model.get_decoder())
    expected = {name for name, module in vlm.model.named_modules() if id(module) in inside}
    for policy in _policies(vlm, "all-linear"):
        assert _adapted(policy) == expected
        assert policy.without_adapter() == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_has_no_adapter_is_named(family: str) -> None:
    for policy in _policies(_Named(FAMILIES[family]())):
        assert set(policy.without_adapter()) == LEFT_OUT.get(family, set())


def _logprobs(vlm: Any) -> torch.Tensor:
    prompt = vlm.encode(IMAGE, "what?")
    tree = TokenTree.build([(*prompt.token_ids, 40, 41, 42)])
    scores: torch.Tensor = vlm.logprobs([tree], [prompt.pixels], [[len(prompt.token_ids)]]).logprobs_ST
    return scores


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "gemma3"])
def test_the_projector_learns_where_asked(family: str) -> None:
    vlm = _Named(FAMILIES[family]())
    first, second = _policies(vlm, "projector")
    inside = _linear(vlm.model.get_decoder())
    towers = [name for name, module in vlm.model.named_modules() if isinstance(module, torch.nn.ModuleList)]
    for name in _adapted(first):
        assert id(vlm.model.get_submodule(name)) not in inside
        assert not any(name.startswith(f"{tower}.") for tower in towers if not re.search("merger|projector", tower))
    with torch.no_grad(), first.reference() as base:
        before = _logprobs(base)
    with first.active() as active:
        _logprobs(active).sum().backward()
    gradients = [p.grad for name, p in vlm.model.named_parameters() if ".lora_B.questioner." in name]
    assert gradients and all(g is not None and float(g.abs().max()) > 0 for g in gradients)
    with torch.no_grad():
        for parameter in first.trainable():
            parameter.add_(0.3)
        with first.active() as active:
            changed = _logprobs(active)
        for policy, expected in ((second, before), (first, changed)):
            with policy.active() as active:
                torch.testing.assert_close(_logprobs(active), expected)
            with policy.reference() as base:
                torch.testing.assert_close(_logprobs(base), before)
    assert float((changed - before).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("targets", "message"), [(("nothing",), "has .*q_proj"), (("projector",), "no linear projector")]
)
def test_targets_that_are_not_there_are_one_line(targets: tuple[str, ...], message: str) -> None:
    with pytest.raises(ModelError, match=message) as error:
        _policies(_Named(FAMILIES["gemma3"]()), *targets)
    assert "\n" not in str(error.value)


def test_a_single_target_needs_no_list() -> None:
    assert load_settings("paper-lab", ["tune=lora", "lora.targets=all-linear"]).lora.targets == ("all-linear",)


def test_a_server_takes_no_projector() -> None:
    server = ["vote_engine={type: server, url: 'http://localhost:1', adapters: a}", "lora.targets=[projector]"]
    with pytest.raises(ConfigError, match="no adapters on the projector"):
        load_settings("paper-lab", ["tune=lora", *server])
