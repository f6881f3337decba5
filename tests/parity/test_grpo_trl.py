"""A step's loss and gradients against TRL's GRPOTrainer and RLOOTrainer, on the same completions and rewards.

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
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.trainer.utils import split_pixel_values_by_grid, split_tensor_dict, unsplit_pixel_values_by_grid

from visplay.config import LoraSettings, RLSettings
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.advantages import GroupRewards
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy, new_policy
from visplay.models.vlm import VLM
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

NORM = {"type": "group_norm", "epsilon": EPSILON}
CLIP = {"type": "ppo_clip", "clip_low": 0.1, "clip_high": 0.2}
# By name: our settings, and TRL's for the same algorithm.
ALGORITHMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grpo": ({}, {"loss_type": "grpo"}),
    "dr_grpo": (
        {"advantages": "mean_centered", "averaging": "constant"},
        {"loss_type": "dr_grpo", "scale_rewards": "none"},
    ),
    "dapo": ({"averaging": "token"}, {"loss_type": "dapo"}),
    "bnpo": ({"averaging": "token"}, {"loss_type": "bnpo"}),
    "batch": (
        {"advantages": {"type": "batch_norm", "epsilon": EPSILON}},
        {"loss_type": "grpo", "scale_rewards": "batch"},
    ),
    "gspo": (
        {"loss": "gspo"},
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4},
    ),
    "cispo": (
        {"loss": {"type": "cispo", "clip_high": 0.1}, "averaging": "token"},
        {"loss_type": "cispo", "epsilon_high": 1.1},
    ),
    "dual": ({"loss": {**CLIP, "dual_clip": 1.25}}, {"loss_type": "grpo", "delta": 1.25}),
}

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


def _groups(policy: Policy, images: tuple[ImageRef, ...], temperature: float = 1.0) -> list[Group]:
    """Two prompts on each of three images; answers are cut short, since a random model hardly ever ends one."""
    requests = [Request(f"{p.id}/{q}", p, q, len(REWARDS[0])) for p in images[:3] for q in PROMPTS]
    found = TransformersEngine(policy, seed=0).generate(
        requests, Sampling(max_tokens=MAX_TOKENS, temperature=temperature)
    )
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


def _trl(policy: Policy, groups: list[Group], settings: RLSettings, folder: Path, **theirs: Any) -> GRPOTrainer:
    """TRL's trainer around a copy of the policy; as reference it loads the folder the policy came from.

    Args:
        theirs: TRL's settings of the algorithm.
    """

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
            beta=settings.kl,
            # By default TRL weighs the KL by the ratio (DeepSeek-V3.2); visplay's is that of the GRPO paper.
            use_bias_correction_kl=False,
            **{"epsilon": 0.1, "epsilon_high": 0.2} | theirs,
        ),
        train_dataset=_unread(),
        processing_class=_processor(policy),
        rollout_func=rollout,
    )
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1  # as `train` sets it
    return trainer


def _unread() -> Dataset:
    """A data set that TRL's trainers demand and never read."""
    return Dataset.from_dict({"prompt": [[{"role": "user", "content": "What?"}]]})


def _processor(policy: Policy) -> _Processor:
    tokenizer = AutoTokenizer.from_pretrained(policy.vlm.name, padding_side="left")
    return _Processor(policy.vlm.processor.image_processor, tokenizer)


def _examples(groups: list[Group]) -> list[dict[str, Any]]:
    return [
        {
            "prompt": [{"role": "user", "content": group.request.prompt}],
            "image": group.request.image.load(),
            "reward": reward,
        }
        for group in groups
        for reward in group.rewards
    ]


def _rollouts(trainer: GRPOTrainer, groups: list[Group]) -> list[dict[str, Any]]:
    """TRL's inputs for each update: its `_prepare_inputs` without the shuffle, so that groups stay together."""
    whole = split_pixel_values_by_grid(trainer._generate_and_score_completions(_examples(groups)))
    count = trainer.args.steps_per_generation
    parts = [unsplit_pixel_values_by_grid(part) for part in split_tensor_dict(whole, count)]
    for part in parts:
        # TRL's "dapo" divides by the mean tokens of a mini-batch, visplay's by those of the mini-batch at hand.
        part["num_items_in_batch"] = count * part["completion_mask"].sum()
    return parts


def _step(
    policy: Policy, groups: list[Group], settings: RLSettings, temperature: float = 1.0
) -> tuple[list[_Update], dict[str, float]]:
    updates: list[_Update] = []

    def note(*_: Any) -> None:
        weights = {name: value.clone() for name, value in policy.model.state_dict().items()}
        updates.append(_Update(weights, _gradients(policy.model)))

    trainer = Trainer(policy, settings, MAX_TOKENS, temperature=temperature)
    trainer.optimizer.register_step_pre_hook(note)
    return updates, trainer.step(groups)


def _gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _settings(**changes: Any) -> RLSettings:
    steep = {"learning_rate": 3e-3, "max_grad_norm": 1e9}
    return RLSettings.model_validate({**steep, "advantages": NORM, "loss": CLIP, **changes})


def _assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        size = float(gradient.norm())
        assert size > 1e-4, name
        assert float((found[name] - gradient).norm()) <= 1e-5 * size, name


@pytest.mark.parametrize(
    ("algorithm", "kl", "updates", "temperature"),
    [
        *[(name, kl, updates, 1.0) for name in ("grpo", "dr_grpo", "dapo") for kl in (0.0, 0.1) for updates in (1, 2)],
        *[(name, 0.1, 2, 1.0) for name in ("bnpo", "batch", "gspo", "cispo", "dual")],
        ("gspo", 0.0, 1, 1.0),
        ("cispo", 0.0, 1, 1.0),
        ("grpo", 0.1, 2, 1.3),
        ("cispo", 0.0, 2, 0.7),
    ],
)
def test_loss_and_gradients(
    vlm: VLM,
    images: tuple[ImageRef, ...],
    tmp_path: Path,
    algorithm: str,
    kl: float,
    updates: int,
    temperature: float,
) -> None:
    ours, theirs = ALGORITHMS[algorithm]
    settings = _settings(kl=kl, updates_per_step=updates, **ours)
    policy = _policy(vlm)
    groups = _groups(policy, images, temperature)
    trl = _trl(policy, groups, settings, tmp_path, temperature=temperature, **theirs)
    rollouts = _rollouts(trl, groups)
    taken, metrics = _step(policy, groups, settings, temperature)

    losses = []
    for update, rollout in zip(taken, rollouts, strict=True):
        trl.model.load_state_dict(update.weights)
        trl.model.zero_grad()
        loss = trl.compute_loss(trl.model, rollout)
        loss.backward()
        losses.append(loss.item())
        _assert_equal(update.gradients, _gradients(trl.model))
    assert taken[0].gradients.keys() == dict(policy.model.named_parameters()).keys()

    # Under "grpo" advantages cancel at ratio 1, and what is left of the loss is rounding.
    assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-5, abs=1e-6)
    _assert_metrics(algorithm, metrics, trl._metrics["train"], rollouts, kl)


def _assert_metrics(
    algorithm: str, metrics: dict[str, float], logged: dict[str, list[float]], rollouts: list[dict[str, Any]], kl: float
) -> None:
    """The first update clips nothing and the second one does; means are equal where both count tokens."""
    if algorithm in ("cispo", "gspo"):  # TRL counts the one for positive advantages alone, the other by sequences
        assert (metrics["clip_fraction"] > 0) == (len(rollouts) > 1)
    else:
        for side in ("low", "high"):
            assert [share > 0 for share in logged[f"clip_ratio/{side}_mean"]] == [False, True][: len(rollouts)]
    if not kl:  # visplay leaves the group of equal rewards out of its means
        return
    tokens = [int(rollout["completion_mask"].sum()) for rollout in rollouts]
    means = {name: np.average(values, weights=tokens) for name, values in logged.items() if len(values) == len(tokens)}
    for name in ("kl", "entropy"):
        assert metrics[name] == pytest.approx(means[name], rel=1e-5), name
    if algorithm == "dual":  # TRL does not count what the second clip holds
        assert metrics["clip_fraction"] > means["clip_ratio/region_mean"] + 1e-3
    elif algorithm not in ("cispo", "gspo"):
        assert metrics["clip_fraction"] == pytest.approx(means["clip_ratio/region_mean"], rel=1e-5)


@pytest.mark.parametrize(
    ("estimator", "scale"),
    [(NORM, "group"), ({"type": "batch_norm", "epsilon": EPSILON}, "batch"), ("mean_centered", "none")],
)
def test_advantages(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path, estimator: Any, scale: str) -> None:
    policy = _policy(vlm)
    groups = _groups(policy, images)
    (rollout,) = _rollouts(_trl(policy, groups, RLSettings(), tmp_path, scale_rewards=scale), groups)
    torch.testing.assert_close(_estimated(estimator, groups), rollout["advantages"], rtol=1e-5, atol=1e-6)


def _estimated(estimator: Any, groups: list[Group]) -> torch.Tensor:
    found = RLSettings.model_validate({"advantages": estimator}).advantages.estimate(
        [GroupRewards(group.rewards, group.baseline) for group in groups]
    )
    return torch.tensor([advantage for group in found for advantage in group])


class _GivenRLOO(RLOOTrainer):
    """TRL's RLOO on given completions."""

    given: list[list[int]]

    def _generate_single_turn(self, *_: Any) -> list[list[int]]:
        return self.given


def test_rloo(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    """TRL's loss takes whole sequences, so its gradient is that of the constant average times the constant."""
    policy = _policy(vlm)
    groups = _groups(policy, images)

    def as_given(reward: list[float], **_: Any) -> list[float]:
        return reward

    trl = _GivenRLOO(
        model=copy.deepcopy(policy.model),
        reward_funcs=as_given,
        args=RLOOConfig(
            output_dir=str(tmp_path),
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            num_generations=len(REWARDS[0]),
            per_device_train_batch_size=len(REWARDS) * len(REWARDS[0]),
            max_completion_length=MAX_TOKENS,
            beta=0.0,
        ),
        train_dataset=_unread(),
        processing_class=_processor(policy),
    )
    trl.given = [list(c.token_ids) for group in groups for c in group.completions]
    trl.model.train()
    rollout = trl._generate_and_score_completions(_examples(groups))
    torch.testing.assert_close(_estimated("rloo", groups), rollout["advantages"], rtol=1e-5, atol=1e-6)
    trl.compute_loss(trl.model, rollout).backward()

    settings = _settings(kl=0.0, advantages="rloo", averaging="constant")
    (update,), _ = _step(policy, groups, settings)
    found = {name: MAX_TOKENS * gradient for name, gradient in update.gradients.items()}
    _assert_equal(found, _gradients(trl.model))
