"""A step's loss and gradients against TRL's GRPOTrainer, on the same completions and rewards.

TRL is handed images, questions, completions and rewards. It makes the rest itself: one row a
sequence with its own copy of the image, the advantages, and the log-probabilities of the sampling
policy and of the reference.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer, Qwen2_5_VLProcessor
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import split_pixel_values_by_grid, split_tensor_dict, unsplit_pixel_values_by_grid

from visplay.config import GRPOSettings, LoraSettings
from visplay.generation.transformers_engine import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy, new_policy
from visplay.models.vlm import VLM
from visplay.rl.loss import Normalisation, advantages
from visplay.rl.trainer import Trainer
from visplay.types import Group, ImageRef, Request

PROMPTS = ("What?", "What colour is it?")
MAX_TOKENS = 8
# Added to a group's standard deviation; TRL's is fixed.
EPSILON = 1e-4
# A row a group. Equal rewards teach nothing, but their tokens count in the average.
REWARDS = (
    (1.0, 0.0, 0.0, 0.5),
    (0.5, 0.5, 0.5, 0.5),
    (0.0, 0.25, 1.0, 1.0),
    (0.5, 0.5, 0.5, 0.5 + 2**-13),  # a deviation as small as epsilon
    (-1.0, 2.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
)
LENGTHS = ((6, 1, 8, 3), (2, 5, 4, 7), (8, 8, 1, 2), (1, 3, 3, 6), (5, 2, 7, 4), (3, 8, 6, 5))

pytestmark = pytest.mark.filterwarnings("ignore:You are using 'rollout_func'")


class _Processor(Qwen2_5_VLProcessor):
    """The model's processor without its video half, which needs torchvision."""

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        super().__init__(image_processor, tokenizer, chat_template=tokenizer.chat_template)


@dataclass(frozen=True, slots=True)
class _Update:
    """The weights an optimizer step begins with and the gradient it takes."""

    weights: dict[str, torch.Tensor]
    gradients: dict[str, torch.Tensor]


def _policy(vlm: VLM) -> Policy:
    """All weights trained, and already some way from the reference."""
    policy = new_policy(vlm, "reasoner", "full", LoraSettings(), train_vision=True)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.trainable():
            parameter += 0.02 * torch.randn(parameter.shape, generator=random)
    return policy


def _groups(policy: Policy, images: tuple[ImageRef, ...]) -> list[Group]:
    """Two prompts on each of three images; answers are cut short, since a random model hardly ever ends one."""
    requests = [Request(f"{p.id}/{q}", p, q, len(REWARDS[0])) for p in images[:3] for q in PROMPTS]
    found = TransformersEngine(policy, seed=0).generate(requests, Sampling(max_tokens=MAX_TOKENS))
    return [
        Group(
            request,
            tuple(
                replace(c, token_ids=c.token_ids[:length], logprobs=c.logprobs[:length])
                for c, length in zip(found[request.id], lengths, strict=True)
            ),
            rewards,
        )
        for request, rewards, lengths in zip(requests, REWARDS, LENGTHS, strict=True)
    ]


def _trl(policy: Policy, groups: list[Group], settings: GRPOSettings, folder: Path) -> GRPOTrainer:
    """TRL's trainer around a copy of the policy; as reference it loads the folder the policy came from."""

    def rollout(prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        prompt_ids, _, _ = trainer._tokenize_prompts(prompts)
        completion_ids = [list(c.token_ids) for group in groups for c in group.completions]
        return {"prompt_ids": prompt_ids, "completion_ids": completion_ids, "logprobs": None}

    def as_given(reward: list[float], **_: Any) -> list[float]:
        return reward

    size = len(groups[0].completions)
    trainer = GRPOTrainer(
        model=copy.deepcopy(policy.model),
        reward_funcs=as_given,
        args=GRPOConfig(
            output_dir=str(folder),
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            num_generations=size,
            per_device_train_batch_size=len(groups) * size // settings.updates_per_step,
            steps_per_generation=settings.updates_per_step,
            max_completion_length=MAX_TOKENS,
            loss_type=settings.normalisation,
            beta=settings.kl,
            epsilon=settings.clip_low,
            epsilon_high=settings.clip_high,
            # By default TRL weighs the KL by the ratio (DeepSeek-V3.2); visplay's is that of the GRPO paper.
            use_bias_correction_kl=False,
        ),
        # Never read, but TRL wants one.
        train_dataset=Dataset.from_dict({"prompt": [[{"role": "user", "content": "What?"}]]}),
        processing_class=_Processor(
            policy.vlm.processor.image_processor, AutoTokenizer.from_pretrained(policy.vlm.name, padding_side="left")
        ),
        rollout_func=rollout,
    )
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1  # as `train` sets it
    return trainer


def _rollouts(trainer: GRPOTrainer, groups: list[Group]) -> list[dict[str, Any]]:
    """TRL's inputs for each update: its `_prepare_inputs` without the shuffle, so that groups stay together."""
    examples = [
        {
            "prompt": [{"role": "user", "content": group.request.prompt}],
            "image": group.request.image.load(),
            "reward": reward,
        }
        for group in groups
        for reward in group.rewards
    ]
    whole = split_pixel_values_by_grid(trainer._generate_and_score_completions(examples))
    count = trainer.args.steps_per_generation
    parts = [unsplit_pixel_values_by_grid(part) for part in split_tensor_dict(whole, count)]
    for part in parts:
        # TRL's "dapo" divides by the mean tokens of a mini-batch, visplay's by those of the mini-batch at hand.
        part["num_items_in_batch"] = count * part["completion_mask"].sum()
    return parts


def _step(policy: Policy, groups: list[Group], settings: GRPOSettings) -> tuple[list[_Update], dict[str, float]]:
    updates: list[_Update] = []

    def note(*_: Any) -> None:
        weights = {name: value.clone() for name, value in policy.model.state_dict().items()}
        updates.append(_Update(weights, _gradients(policy.model)))

    trainer = Trainer(policy, settings, MAX_TOKENS)
    trainer.optimizer.register_step_pre_hook(note)
    return updates, trainer.step(groups)


def _gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("updates", [1, 2])
@pytest.mark.parametrize("kl", [0.0, 0.1])
@pytest.mark.parametrize("normalisation", ["grpo", "dr_grpo", "dapo"])
def test_loss_and_gradients(
    vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path, normalisation: Normalisation, kl: float, updates: int
) -> None:
    settings = GRPOSettings(
        learning_rate=3e-3,
        max_grad_norm=1e9,
        clip_low=0.1,
        clip_high=0.2,
        kl=kl,
        updates_per_step=updates,
        normalisation=normalisation,
        advantage_epsilon=EPSILON,
    )
    policy = _policy(vlm)
    groups = _groups(policy, images)
    trl = _trl(policy, groups, settings, tmp_path)
    rollouts = _rollouts(trl, groups)
    taken, metrics = _step(policy, groups, settings)

    losses = []
    for update, rollout in zip(taken, rollouts, strict=True):
        trl.model.load_state_dict(update.weights)
        trl.model.zero_grad()
        loss = trl.compute_loss(trl.model, rollout)
        loss.backward()
        losses.append(loss.item())
        expected = _gradients(trl.model)
        assert update.gradients.keys() == expected.keys() == dict(policy.model.named_parameters()).keys()
        for name, gradient in expected.items():
            size = float(gradient.norm())
            assert size > 1e-3, name
            assert float((update.gradients[name] - gradient).norm()) <= 1e-5 * size, name

    # Under "grpo" advantages cancel at ratio 1, and what is left of the loss is rounding.
    assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-5, abs=1e-6)
    logged = trl._metrics["train"]
    for side in ("low", "high"):
        assert [share > 0 for share in logged[f"clip_ratio/{side}_mean"]] == [False, True][:updates]
    if kl:  # else visplay leaves the group of equal rewards out of its means
        tokens = [int(rollout["completion_mask"].sum()) for rollout in rollouts]
        for ours, theirs in {"kl": "kl", "entropy": "entropy", "clip_fraction": "clip_ratio/region_mean"}.items():
            assert metrics[ours] == pytest.approx(np.average(logged[theirs], weights=tokens), rel=1e-5), ours


def test_advantages(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    policy = _policy(vlm)
    groups = _groups(policy, images)
    (rollout,) = _rollouts(_trl(policy, groups, GRPOSettings(), tmp_path), groups)
    found = torch.cat([advantages(group.rewards, EPSILON) for group in groups])
    torch.testing.assert_close(found, rollout["advantages"], rtol=1e-5, atol=1e-6)
