"""A role's weights, its reference, and that roles do not touch one another."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch

from visplay.config import LoraSettings
from visplay.errors import ModelError
from visplay.models.policy import Policy, new_policy
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import ImageRef

Tune = Literal["full", "lora"]
LORA = LoraSettings(rank=4, alpha=8)


def _logprobs(vlm: VLM, image: ImageRef) -> torch.Tensor:
    prompt = vlm.encode(image, "What?")
    tree = TokenTree.build([[*prompt.token_ids, 40, 41, 42]])
    with torch.no_grad():
        return vlm.logprobs([tree], [prompt.pixels], [[len(prompt.token_ids)]]).logprobs_ST


def _active(policy: Policy, image: ImageRef) -> torch.Tensor:
    with policy.active() as vlm:
        return _logprobs(vlm, image)


def _reference(policy: Policy, image: ImageRef) -> torch.Tensor:
    with policy.reference() as vlm:
        return _logprobs(vlm, image)


def _disturb(policy: Policy) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter.add_(0.05 * torch.randn_like(parameter))


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_a_role_changes_itself_alone(vlm: VLM, images: tuple[ImageRef, ...], tune: Tune) -> None:
    original = _logprobs(vlm, images[0])
    questioner, reasoner = (new_policy(vlm, role, tune, LORA) for role in ("questioner", "reasoner"))
    torch.testing.assert_close(_active(questioner, images[0]), original)
    _disturb(questioner)
    changed = _active(questioner, images[0])
    assert (changed - original).abs().max() > 1e-2
    torch.testing.assert_close(_active(reasoner, images[0]), original)
    torch.testing.assert_close(_reference(questioner, images[0]), original)
    torch.testing.assert_close(_reference(reasoner, images[0]), original)
    torch.testing.assert_close(_active(questioner, images[0]), changed)
    assert not {id(p) for p in questioner.trainable()} & {id(p) for p in reasoner.trainable()}


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_what_is_saved_is_restored(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path, tune: Tune) -> None:
    first, second = (new_policy(vlm, role, tune, LORA) for role in ("questioner", "reasoner"))
    _disturb(first)
    first.save(tmp_path)
    second.load(tmp_path)
    torch.testing.assert_close(_active(second, images[0]), _active(first, images[0]))
    assert (_active(second, images[0]) - _reference(second, images[0])).abs().max() > 1e-2


@pytest.mark.parametrize(("tune", "train_vision"), [("full", False), ("full", True), ("lora", False)])
def test_a_role_may_hold_its_own_weights_as_reference(
    vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path, tune: Tune, train_vision: bool
) -> None:
    original = _logprobs(vlm, images[0])
    role, other = (new_policy(vlm, name, tune, LORA, train_vision) for name in ("questioner", "reasoner"))
    _disturb(role)
    role.save(tmp_path)
    began = _active(role, images[0])
    role.hold_reference()
    _disturb(role)
    later = _active(role, images[0])
    assert (later - began).abs().max() > 1e-2
    torch.testing.assert_close(_reference(role, images[0]), began)
    torch.testing.assert_close(_active(role, images[0]), later)
    torch.testing.assert_close(_reference(other, images[0]), original)
    names = {id(p) for p in role.trainable()}
    with role.active() as active, role.reference():
        pass
    assert {id(p) for p in active.model.parameters() if p.requires_grad} >= names == {id(p) for p in role.trainable()}
    role.offload()
    role.hold_reference()
    torch.testing.assert_close(_reference(role, images[0]), later)
    role.hold_reference(tmp_path)
    torch.testing.assert_close(_reference(role, images[0]), began)
    role.release_reference()
    torch.testing.assert_close(_reference(role, images[0]), original)
    torch.testing.assert_close(_active(role, images[0]), later)


def test_adapters_leave_the_vision_tower_alone(vlm: VLM) -> None:
    policy = new_policy(vlm, "reasoner", "lora", LORA)
    trained = [name for name, p in policy.model.named_parameters() if any(p is q for q in policy.trainable())]
    layers = vlm.model.config.text_config.num_hidden_layers
    assert len(trained) == 7 * 2 * layers and not any("visual" in name for name in trained)


def test_a_full_role_is_a_model_like_any_other(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    policy = new_policy(vlm, "reasoner", "full", LORA)
    _disturb(policy)
    policy.save(tmp_path)
    torch.testing.assert_close(_logprobs(VLM.load(tmp_path, device="cpu"), images[0]), _active(policy, images[0]))


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_loading_from_an_empty_folder_is_one_line(vlm: VLM, tmp_path: Path, tune: Tune) -> None:
    with pytest.raises(ModelError) as error:
        new_policy(vlm, "reasoner", tune, LORA).load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_frozen_policy_is_its_own_reference(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    policy = Policy(vlm)
    assert policy.trainable() == []
    assert torch.equal(_active(policy, images[0]), _reference(policy, images[0]))
    with pytest.raises(ModelError, match="frozen"):
        policy.load(tmp_path)


def test_the_vision_tower_is_shared_unless_it_is_trained(vlm: VLM) -> None:
    frozen = new_policy(vlm, "reasoner", "full", LORA)
    assert frozen.vlm.vision[0] is vlm.vision[0]
    assert not any(p.requires_grad for p in frozen.vlm.vision_parameters())
    trained = new_policy(vlm, "reasoner", "full", LORA, train_vision=True)
    assert trained.vlm.vision[0] is not vlm.vision[0]
    assert len(trained.trainable()) == len(frozen.trainable()) + len(list(vlm.vision_parameters()))
