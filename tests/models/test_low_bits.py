"""What makes a large model fit: a 4-bit base, 8-bit optimizer states, activations computed twice."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visplay.config import LoraSettings, RLSettings, load_settings
from visplay.errors import ConfigError, ModelError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.runner import measure
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.names import model_name
from visplay.models.policy import Policy, new_policy
from visplay.models.probe import probe
from visplay.models.vlm import VLM
from visplay.rl.trainer import Trainer
from visplay.roles.prompts import load_prompts
from visplay.types import Group, ImageRef, Request

LAB = model_name("lab")
LORA = LoraSettings(rank=4, alpha=8)


@pytest.fixture(scope="module")
def four_bit() -> VLM:
    return VLM.load(LAB, device="cpu", four_bit=True)


def _bytes(vlm: VLM) -> int:
    return sum(p.nbytes for layer in vlm.model.get_decoder().layers for p in layer.parameters())


def _groups(policy: Policy, images: tuple[ImageRef, ...]) -> list[Group]:
    """Rewarded is the share of tokens with an even number."""
    requests = [Request(p.id, p, "what is it?", 6) for p in images]
    found = TransformersEngine(policy, seed=0).generate(requests, Sampling(temperature=2, max_tokens=6))
    return [
        Group(r, found[r.id], tuple(sum(i % 2 == 0 for i in c.token_ids) / len(c.token_ids) for c in found[r.id]))
        for r in requests
    ]


def test_a_base_in_four_bits_is_small_and_answers_as_well(four_bit: VLM) -> None:
    whole = VLM.load(LAB, device="cpu")
    assert _bytes(four_bit) < 0.2 * _bytes(whole)
    assert {type(m).__name__ for m in four_bit.model.get_decoder().layers.modules()} >= {"Linear4bit"}
    assert all(type(m).__name__ != "Linear4bit" for part in four_bit.vision for m in part.modules())
    suites = open_suites(["lab/color/clean"], 0, 40)
    answer = load_prompts(None, Path(LAB)).answer
    right = [
        measure(TransformersEngine(Policy(v), 0), suites, answer, None, False).greedy["lab/color/clean"]
        for v in (four_bit, whole)
    ]
    assert right[0].accuracy >= right[1].accuracy - 0.05 >= 0.9
    assert not probe(four_bit).padded_because


def test_a_cpu_does_not_train_on_four_bits(four_bit: VLM) -> None:
    """Its kernels repack the weights for answering alone."""
    with pytest.raises(ModelError, match="have no gradient on a CPU; leave four_bit out"):
        new_policy(four_bit, "learner", "lora", LORA)


def test_weights_in_four_bits_are_not_trained_themselves() -> None:
    with pytest.raises(ConfigError, match="four_bit weights cannot be trained; choose tune: lora"):
        load_settings("paper-lab", ["four_bit=true", "tune=full"])


def test_eight_bit_states_learn_alike_and_are_kept(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    # Only tensors of at least 4,096 numbers get 8-bit states.
    policy = new_policy(vlm, "reasoner", "full", LORA)
    groups = _groups(policy, images)
    rewards = {}
    for name in ("adamw", "adamw_8bit"):
        policy = new_policy(vlm, "reasoner", "full", LORA)
        trainer = Trainer(policy, RLSettings(learning_rate=1e-3, kl=0.0, optimizer=name))
        for _ in range(6):
            trainer.step(groups)
        rewards[name] = torch.cat([p.detach().flatten() for p in policy.trainable()])
    start = torch.cat([p.detach().flatten() for p in new_policy(vlm, "reasoner", "full", LORA).trainable()])
    moved, moved_8bit = rewards["adamw"] - start, rewards["adamw_8bit"] - start
    assert torch.nn.functional.cosine_similarity(moved, moved_8bit, dim=0) > 0.9
    states = [state["state1"].dtype for state in trainer.optimizer.state.values()]
    assert states.count(torch.uint8) >= 10
    trainer.save(tmp_path)
    again = Trainer(policy, RLSettings(learning_rate=1e-3, optimizer="adamw_8bit"))
    again.restore(tmp_path)
    for one, other in zip(again.optimizer.state.values(), trainer.optimizer.state.values(), strict=True):
        assert torch.equal(one["state1"], other["state1"])


@pytest.mark.parametrize("tune", ["lora", "full"])
def test_activations_computed_twice_give_the_same_gradient(vlm: VLM, images: tuple[ImageRef, ...], tune: str) -> None:
    policy = new_policy(vlm, "reasoner", tune, LORA)  # type: ignore[arg-type]
    groups = _groups(policy, images[:3])
    found = []
    for checkpointing in (False, True):
        trainer = Trainer(policy, RLSettings(learning_rate=1e-12, max_grad_norm=1e9))
        if checkpointing:
            policy.checkpoint_activations()
        trainer.step(groups)
        states = [trainer.optimizer.state[p]["exp_avg"].flatten() for p in policy.trainable()]
        found.append(torch.cat(states))
    assert float(found[0].norm()) > 0
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-7)
