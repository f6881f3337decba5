"""A step must learn what it is rewarded for, whatever way it is cut."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tests.full_disk import full_disk
from visplay.config import LoraSettings, RLSettings
from visplay.errors import TrainingError
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.advantages import GroupRewards
from visplay.interfaces.engine import Sampling
from visplay.models import scores
from visplay.models.policy import Policy, new_policy
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.rl.advantages.estimators import GroupNorm
from visplay.rl.loss import grpo_loss, token_weights
from visplay.rl.losses.clipped import PPOClip
from visplay.rl.trainer import Trainer
from visplay.types import Group, ImageRef, Request

LORA = LoraSettings(rank=4, alpha=8)
Tune = Literal["full", "lora"]


def _share_of_even(ids: tuple[int, ...]) -> float:
    return sum(i % 2 == 0 for i in ids) / len(ids)


def _groups(
    policy: Policy, images: tuple[ImageRef, ...], seed: int = 0, n: int = 6, temperature: float = 1.0
) -> list[Group]:
    """Sampled groups; the reward is the share of even tokens, which a policy can learn."""
    requests = [Request(f"{p.id}/{q}", p, q, n) for p in images for q in ("What?", "Where is it?")]
    found = TransformersEngine(policy, seed=seed).generate(requests, Sampling(max_tokens=6, temperature=temperature))
    return [Group(r, found[r.id], tuple(_share_of_even(c.token_ids) for c in found[r.id])) for r in requests]


def _settings(**changes: Any) -> RLSettings:
    return RLSettings.model_validate({"learning_rate": 1e-3, **changes})


def _weights(policy: Policy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in policy.trainable()])


def _gradient(vlm: VLM, groups: list[Group], **changes: Any) -> tuple[torch.Tensor, dict[str, float]]:
    """The first AdamW moment after one step from the base: a tenth of the (unclipped) gradient."""
    policy = new_policy(vlm, "reasoner", "full", LORA, train_vision=True)
    trainer = Trainer(policy, _settings(max_grad_norm=1e9, **changes), max_tokens=6)
    metrics = trainer.step(groups)
    state = trainer.optimizer.state
    return torch.cat([state[p]["exp_avg"].flatten() * 10 for p in policy.trainable()]), metrics


@pytest.mark.parametrize("averaging", ["sequence", "constant", "token"])
def test_the_gradient_does_not_depend_on_the_cut(vlm: VLM, images: tuple[ImageRef, ...], averaging: str) -> None:
    groups = _groups(Policy(vlm), images[:4])
    whole, metrics = _gradient(vlm, groups, averaging=averaging, micro_batch_tokens=100_000)
    cut, cut_metrics = _gradient(vlm, groups, averaging=averaging, micro_batch_tokens=64)
    assert float(whole.norm()) == pytest.approx(metrics["grad_norm"], rel=1e-4)
    assert float((whole - cut).norm()) <= 1e-5 * float(whole.norm())
    assert cut_metrics == pytest.approx(metrics, rel=1e-4, abs=1e-6)


def test_the_gradient_is_that_of_the_plain_formula(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    """At ratio 1 and reference equal to the policy: minus the weighted advantage times grad log p."""
    groups = _groups(Policy(vlm), images[:2])
    found, metrics = _gradient(vlm, groups)
    vlm.model.requires_grad_(True)
    for group in groups:
        rewards = torch.tensor(group.rewards)
        scaled = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        prompt = vlm.encode(group.request.image, group.request.prompt)
        pixels = {name: prompt.pixels[name] for name in ("pixel_values", "image_grid_thw")}
        for completion, advantage in zip(group.completions, scaled, strict=True):
            ids = torch.tensor([[*prompt.token_ids, *completion.token_ids]])
            labels = ids.clone()
            labels[0, : len(prompt.token_ids)] = -100
            types = (ids == vlm.image_token_id).int()
            # The model's own loss is the mean of -log p over the completion's tokens.
            loss = vlm.model(input_ids=ids, labels=labels, mm_token_type_ids=types, **pixels).loss
            (advantage * loss / (len(groups) * len(group.completions))).backward()
    expected = torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])
    assert float((found - expected).norm()) <= 1e-4 * float(expected.norm())
    assert metrics["kl"] == pytest.approx(0, abs=1e-6) and metrics["clip_fraction"] == 0


@pytest.mark.parametrize(("averaging", "loss"), [("sequence", "ppo_clip"), ("token", "ppo_clip"), ("sequence", "gspo")])
def test_right_only_has_the_gradient_of_cross_entropy_on_the_right_completions(
    vlm: VLM, images: tuple[ImageRef, ...], averaging: str, loss: str
) -> None:
    """Supervised fine-tuning: transformers' own loss on what was right, as a share of all completions or tokens."""
    groups = _groups(Policy(vlm), images[:2])
    right = [[n == 0 or (n + row) % 3 == 0 for n in range(6)] for row in range(len(groups))]
    groups = [replace(g, rewards=tuple(map(float, marks))) for g, marks in zip(groups, right, strict=True)]
    found, metrics = _gradient(vlm, groups, averaging=averaging, loss=loss, advantages="right_only", kl=0)
    every = [completion for group in groups for completion in group.completions]
    tokens = sum(len(completion.token_ids) for completion in every)
    vlm.model.requires_grad_(True)
    for group, marks in zip(groups, right, strict=True):
        prompt = vlm.encode(group.request.image, group.request.prompt)
        pixels = {name: prompt.pixels[name] for name in ("pixel_values", "image_grid_thw")}
        for completion in (c for c, mark in zip(group.completions, marks, strict=True) if mark):
            ids = torch.tensor([[*prompt.token_ids, *completion.token_ids]])
            labels = ids.clone()
            labels[0, : len(prompt.token_ids)] = -100
            types = (ids == vlm.image_token_id).int()
            share = 1 / len(every) if averaging == "sequence" else len(completion.token_ids) / tokens
            (share * vlm.model(input_ids=ids, labels=labels, mm_token_type_ids=types, **pixels).loss).backward()
    expected = torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])
    assert float((found - expected).norm()) <= 1e-4 * float(expected.norm()) and metrics["clip_fraction"] == 0


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_the_reward_rises_and_the_kl_with_it(vlm: VLM, images: tuple[ImageRef, ...], tune: Tune) -> None:
    torch.manual_seed(0)  # an adapter begins at random
    policy = new_policy(vlm, "reasoner", tune, LORA)
    trainer = Trainer(policy, _settings(learning_rate=3e-3 if tune == "full" else 2e-2))
    history = [trainer.step(_groups(policy, images[:2], seed=step, n=12)) for step in range(8)]
    first, last = history[0]["reward"], sum(m["reward"] for m in history[-2:]) / 2
    assert last > first + 0.15
    assert history[-1]["kl"] > 10 * abs(history[0]["kl"]) and history[-1]["kl"] > 1e-3


def test_without_kl_groups_of_equal_reward_change_nothing(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    groups = _groups(Policy(vlm), images[:2])
    flat = [Group(g.request, g.completions, (0.5,) * len(g.completions)) for g in groups]
    policy = new_policy(vlm, "reasoner", "full", LORA)
    before = _weights(policy)
    metrics = Trainer(policy, _settings(kl=0)).step(flat)
    assert torch.equal(_weights(policy), before)
    assert metrics["zero_advantage_groups"] == 1 and metrics["grad_norm"] == 0 and "kl" not in metrics


def test_skipping_them_is_no_change_to_the_others(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    """With a vanishing KL weight they are computed, without one they are skipped: the same gradient."""
    groups = _groups(Policy(vlm), images[:3])
    groups[0] = Group(groups[0].request, groups[0].completions, (1.0,) * 6)
    skipped, _ = _gradient(vlm, groups, kl=0)
    computed, _ = _gradient(vlm, groups, kl=1e-12)
    assert float((skipped - computed).norm()) <= 1e-5 * float(computed.norm())


def test_later_updates_are_held_to_the_sampling_policy(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    policy = new_policy(vlm, "reasoner", "full", LORA)
    groups = _groups(policy, images[:3])
    trainer = Trainer(policy, _settings(updates_per_step=3, learning_rate=1e-2, max_grad_norm=100))
    metrics = trainer.step(groups)
    assert {int(s["step"]) for s in trainer.optimizer.state.values()} == {3}
    assert metrics["clip_fraction"] > 0


def test_decay_multiplies_the_learning_rate_of_one_step(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    groups = _groups(Policy(vlm), images[:2])

    def weights(rate: float, decay: float) -> torch.Tensor:
        policy = new_policy(vlm, "reasoner", "full", LORA)
        trainer = Trainer(policy, _settings(learning_rate=rate))
        trainer.step(groups, decay)
        assert trainer.optimizer.param_groups[0]["lr"] == rate
        return _weights(policy)

    assert torch.equal(weights(4e-3, 0.25), weights(1e-3, 1.0))
    settings = _settings(decay="linear")
    assert [settings.decay_at(step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]
    assert _settings().decay_at(3, 4) == 1.0


def test_a_resumed_trainer_goes_on_as_if_never_stopped(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    groups = _groups(Policy(vlm), images[:2])
    policy = new_policy(vlm, "reasoner", "full", LORA)
    trainer = Trainer(policy, _settings())
    trainer.step(groups)
    trainer.save(tmp_path / "trainer")
    policy.save(tmp_path / "policy")
    expected = trainer.step(groups)
    other = new_policy(vlm, "reasoner", "full", LORA)
    other.load(tmp_path / "policy")
    resumed = Trainer(other, _settings())
    resumed.restore(tmp_path / "trainer")
    assert resumed.step(groups) == expected
    assert torch.equal(_weights(other), _weights(policy))


def test_what_cannot_be_trained_is_one_line(vlm: VLM, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no trainable weights"):
        Trainer(Policy(vlm), _settings())
    policy = new_policy(vlm, "reasoner", "full", LORA)
    with pytest.raises(TrainingError, match="at least one group"):
        Trainer(policy, _settings()).step([])
    with pytest.raises(TrainingError, match="no optimizer state"):
        Trainer(policy, _settings()).restore(tmp_path)
    with pytest.raises(TrainingError, match="max_tokens"):
        Trainer(policy, _settings(averaging="constant"))
    with full_disk(), pytest.raises(TrainingError, match="cannot write the optimizer's state"):
        Trainer(policy, _settings()).save(tmp_path)


def _logprob(policy: Policy, group: Group) -> float:
    prompt = policy.vlm.encode(group.request.image, group.request.prompt)
    ids = [(*prompt.token_ids, *c.token_ids) for c in group.completions]
    with torch.no_grad():
        scores = policy.vlm.logprobs([TokenTree.build(ids)], [prompt.pixels], [[len(prompt.token_ids)] * len(ids)])
    return float(scores.logprobs_ST.sum())


def test_the_bonus_keeps_the_policy_undecided(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    policy = new_policy(vlm, "reasoner", "full", LORA, train_vision=True)
    trainer = Trainer(policy, _settings(kl=0.0, entropy=1.0), max_tokens=6)
    groups = [replace(g, rewards=(1.0,) * len(g.rewards)) for g in _groups(policy, images[:2])]
    found = [trainer.step(groups)["entropy"] for _ in range(4)]
    assert found[-1] > found[0]


def _flat(groups: list[Group], reward: float = 1.0, baseline: tuple[float, float] | None = None) -> list[Group]:
    return [replace(g, rewards=(reward,) * len(g.rewards), baseline=baseline) for g in groups]


def test_a_weight_leaves_the_other_groups_as_they_are(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    first, *others = _groups(Policy(vlm), images[:2])
    none, once, thrice = (_gradient(vlm, [replace(first, weight=w), *others], kl=0)[0] for w in (0.0, 1.0, 3.0))
    alone, _ = _gradient(vlm, [*_flat([first]), *others], kl=0)
    assert torch.equal(none, alone)
    assert float((once - none).norm()) > 1e-2 * float(none.norm())
    assert float(((thrice - none) - 3 * (once - none)).norm()) <= 1e-5 * float(thrice.norm())


def test_better_than_usual_is_said_more_often(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    (group, *_) = _groups(Policy(vlm), images[:1])
    change = {}
    for baseline in ((0.5, 0.25), (1.5, 0.25), (1.0, 0.25), None):
        policy = new_policy(vlm, "reasoner", "full", LORA)
        (known,) = _flat([group], baseline=baseline)
        before = _logprob(policy, known)
        Trainer(policy, _settings(kl=0.0)).step([known])
        change[baseline] = _logprob(policy, known) - before
    assert change[(0.5, 0.25)] > 0 > change[(1.5, 0.25)]
    assert change[(1.0, 0.25)] == change[None] == 0


def _mean_entropy(vlm: VLM, groups: list[Group]) -> torch.Tensor:
    """Over all tokens of the completions, by the model's own forward pass."""
    found = []
    for group in groups:
        prompt = vlm.encode(group.request.image, group.request.prompt)
        pixels = {name: prompt.pixels[name] for name in ("pixel_values", "image_grid_thw")}
        for completion in group.completions:
            ids = torch.tensor([[*prompt.token_ids, *completion.token_ids]])
            types = (ids == vlm.image_token_id).int()
            logits_LV = vlm.model(input_ids=ids, mm_token_type_ids=types, **pixels).logits[0]
            found.append(torch.distributions.Categorical(logits=logits_LV[len(prompt.token_ids) - 1 : -1]).entropy())
    return torch.cat(found).mean()


def test_the_bonus_has_the_gradient_of_the_mean_entropy(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    groups = _flat(_groups(Policy(vlm), images[:2]))
    found, _ = _gradient(vlm, groups, kl=0, entropy=0.5, averaging="token")
    vlm.model.requires_grad_(True)
    (-0.5 * _mean_entropy(vlm, groups)).backward()
    expected = torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])
    assert float((found - expected).norm()) <= 1e-4 * float(expected.norm())


@pytest.mark.parametrize("way", ["tree", "in chunks", "plain"])
def test_the_bonus_climbs_the_mean_entropy_whatever_way_it_is_scored(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    groups = _flat(_groups(Policy(vlm), images[:2]))
    vlm.padded_because = "it is wanted" if way == "plain" else ""
    if way == "in chunks":  # of three tokens, whose logits are computed again for the gradient
        monkeypatch.setattr(scores, "CHUNK_NUMBERS", 1000)
    found, metrics = _gradient(vlm, groups, kl=0, entropy=0.5, averaging="token")
    mean = _mean_entropy(vlm, groups)
    assert metrics["entropy"] == pytest.approx(float(mean.detach()), rel=1e-5)
    assert metrics["loss"] == pytest.approx(-0.5 * float(mean.detach()), rel=1e-5)

    # What the gradient says of a small step must be what the mean entropy does on it.
    weights = list(vlm.model.parameters())
    slopes = found.split([p.numel() for p in weights])
    means = []
    with torch.no_grad():
        for length in (1e-3, -2e-3):
            for weight, slope in zip(weights, slopes, strict=True):
                weight -= length * slope.view_as(weight) / found.norm()
            means.append(float(_mean_entropy(vlm, groups)))
    climbed = (means[0] - means[1]) / 2e-3
    assert climbed == pytest.approx(2 * float(found.norm()), rel=2e-2)


def test_a_bonus_is_added_to_what_is_learned_from_rewards(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    groups = _groups(Policy(vlm), images[:2])
    learned, _ = _gradient(vlm, groups)
    bonus, _ = _gradient(vlm, _flat(groups), entropy=0.1)
    both, _ = _gradient(vlm, groups, entropy=0.1)
    assert float((both - learned - bonus).norm()) <= 1e-5 * float(both.norm())


def test_without_a_bonus_a_step_is_the_plain_one_to_the_bit(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    (group, *_) = _groups(Policy(vlm), images[:1])
    policy, twin = (new_policy(vlm, "reasoner", "full", LORA, train_vision=True) for _ in range(2))
    Trainer(policy, _settings(kl=0.0, entropy=0.0)).step([group])

    prompt = twin.vlm.encode(group.request.image, group.request.prompt)
    tree = TokenTree.build([(*prompt.token_ids, *c.token_ids) for c in group.completions])
    starts = [len(prompt.token_ids)] * len(group.completions)
    twin.model.train()
    found = twin.vlm.logprobs([tree], [prompt.pixels], [starts])
    assert not found.entropy_ST.requires_grad
    loss = grpo_loss(
        found.logprobs_ST,
        found.logprobs_ST.detach(),
        None,
        torch.tensor(GroupNorm().estimate([GroupRewards(group.rewards)])[0]),
        token_weights(found.mask_ST.sum(1), "sequence"),
        found.mask_ST,
        policy_loss=PPOClip(),
        kl=0.0,
    ).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(twin.trainable(), 1.0)
    torch.optim.AdamW(twin.trainable(), lr=1e-3, weight_decay=0.01).step()
    assert torch.equal(_weights(policy), _weights(twin))


def _recorded(groups: list[Group], shift: float) -> list[Group]:
    """As if an engine had recorded log-probabilities that lie `shift` nats from the trainer's."""
    return [
        replace(
            group,
            completions=tuple(
                replace(c, logprobs=tuple(logprob + shift for logprob in c.logprobs)) for c in group.completions
            ),
        )
        for group in groups
    ]


def test_without_a_cap_what_the_engine_recorded_leaves_one_update_as_it_is(
    vlm: VLM, images: tuple[ImageRef, ...]
) -> None:
    groups = _groups(Policy(vlm), images[:2])
    plain, metrics = _gradient(vlm, groups)
    same, _ = _gradient(vlm, _recorded(groups, -0.3), importance_cap=0.0)
    assert torch.equal(plain, same) and "engine_gap" not in metrics


def test_an_engine_with_the_trainers_own_arithmetic_needs_no_weights(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    groups = _groups(Policy(vlm), images[:2])
    plain, _ = _gradient(vlm, groups)
    weighed, metrics = _gradient(vlm, groups, importance_cap=2.0)
    assert metrics["engine_gap"] < 1e-5
    assert float((weighed - plain).norm()) <= 1e-5 * float(plain.norm())


@pytest.mark.parametrize("ratio, weight", [(1.5, 1.5), (0.5, 0.5), (4.0, 2.0)])
def test_tokens_count_as_if_the_trainer_had_sampled_them(
    vlm: VLM, images: tuple[ImageRef, ...], ratio: float, weight: float
) -> None:
    groups = _groups(Policy(vlm), images[:2])
    plain, _ = _gradient(vlm, groups, kl=0.0)
    weighed, metrics = _gradient(vlm, _recorded(groups, -math.log(ratio)), kl=0.0, importance_cap=2.0)
    assert metrics["engine_gap"] == pytest.approx(abs(math.log(ratio)), rel=1e-4)
    assert float((weighed - weight * plain).norm()) <= 1e-4 * float(plain.norm())


def test_with_a_cap_later_updates_are_held_to_the_trainers_own_start(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    """An engine that is far off has nothing clipped but by what was learned since."""
    groups = _recorded(_groups(Policy(vlm), images[:3]), -5.0)

    def clipped(cap: float) -> float:
        policy = new_policy(vlm, "reasoner", "full", LORA)
        settings = _settings(updates_per_step=3, learning_rate=1e-9, importance_cap=cap)
        metrics = Trainer(policy, settings).step(groups)
        assert cap == 0 or metrics["engine_gap"] == pytest.approx(5, rel=1e-4)
        return metrics["clip_fraction"]

    assert clipped(0.0) > 0.2 and clipped(2.0) == 0


def test_a_cap_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="importance_cap"):
        _settings(importance_cap=0.5)


def test_a_trainer_at_the_temperature_of_sampling_scores_as_the_engine_did(
    vlm: VLM, images: tuple[ImageRef, ...]
) -> None:
    groups = _groups(Policy(vlm), images[:2], temperature=1.7)

    def engine_gap(temperature: float) -> float:
        policy = new_policy(vlm, "reasoner", "full", LORA)
        return Trainer(policy, _settings(importance_cap=2.0), temperature=temperature).step(groups)["engine_gap"]

    assert engine_gap(1.7) < 1e-5
    assert engine_gap(1.0) > 0.05


def test_advantages_scaled_by_batch_are_those_of_the_whole_step(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    """Whatever the number of updates, no group has its rewards compared with those of its own update alone."""
    groups = _groups(Policy(vlm), images[:3])
    trainer = Trainer(new_policy(vlm, "reasoner", "full", LORA), _settings(advantages="batch_norm"))
    rewards = torch.tensor([group.rewards for group in groups], dtype=torch.float64)
    expected = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std() + 1e-6)
    torch.testing.assert_close(torch.stack(trainer.advantages(groups)), expected.float())


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("tune", ["full", "lora"])
def test_dropout_of_the_checkpoint_is_not_in_the_update(
    model_folder: Path, images: tuple[ImageRef, ...], tune: Tune, checkpointing: bool
) -> None:
    found = []
    for dropout in (0.0, 0.5):
        vlm = VLM.load(model_folder, device="cpu")
        for module in vlm.model.modules():
            if hasattr(module, "attention_dropout"):
                module.attention_dropout = dropout
        torch.manual_seed(0)
        policy = new_policy(vlm, "reasoner", tune, LORA)
        if checkpointing:
            policy.checkpoint_activations()
        trainer = Trainer(policy, _settings(kl=0.1), max_tokens=6)
        metrics = trainer.step(_groups(policy, images[:2]))
        found.append((metrics["kl"], _weights(policy)))
        assert abs(metrics["kl"]) < 1e-6
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=0)


def test_dropout_of_adapters_is_in_the_update(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    weights = []
    for dropout in (0.0, 0.5):
        torch.manual_seed(0)
        policy = new_policy(
            vlm, f"reasoner{dropout:.0f}{dropout > 0}", "lora", LORA.model_copy(update={"dropout": dropout})
        )
        Trainer(policy, _settings(), max_tokens=6).step(_groups(policy, images[:2]))
        weights.append(_weights(policy))
    assert not torch.allclose(*weights)
