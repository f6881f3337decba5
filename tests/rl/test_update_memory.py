"""An update that does not fit is made in smaller parts; one that is not finite leaves the weights as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from visplay.config import LoraSettings, RLSettings
from visplay.errors import NotFiniteError, OutOfMemory
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import FullPolicy, new_policy
from visplay.models.vlm import VLM
from visplay.rl.batching import MicroBatch
from visplay.rl.trainer import Trainer
from visplay.types import Group, ImageRef, Request

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


def _groups(policy: Any, images: tuple[ImageRef, ...]) -> list[Group]:
    requests = [Request(f"{p.id}/{q}", p, q, 6) for p in images for q in ("What?", "Where is it?")]
    found = TransformersEngine(policy, seed=0).generate(requests, Sampling(max_tokens=6))
    return [Group(r, found[r.id], tuple(float(c.token_ids[0] % 2) for c in found[r.id])) for r in requests]


def _weights(policy: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in policy.trainable()])


def _trainer(vlm: VLM, **changes: Any) -> tuple[Any, Trainer]:
    policy = new_policy(vlm, "reasoner", "full", LoraSettings())
    return policy, Trainer(policy, RLSettings.model_validate({"learning_rate": 1e-3, **changes}), max_tokens=6)


def fits(policy: Any, most: int, error: Exception) -> Callable[..., Any]:
    """`logprobs` of a policy's model on a device that has room for so many completions at once."""
    real = policy.vlm.logprobs

    def logprobs(trees: Any, *rest: Any) -> Any:
        if sum(len(tree.paths) for tree in trees) > most:
            raise error
        return real(trees, *rest)

    return logprobs


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("most", [9, 1])
def test_the_update_is_the_same_in_smaller_parts(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch, error: Exception, most: int
) -> None:
    policy, trainer = _trainer(vlm)
    groups = _groups(policy, images[:3])
    before = _weights(policy)
    whole = trainer.step(groups)
    policy, cut = _trainer(vlm)
    monkeypatch.setattr(policy.vlm, "logprobs", fits(policy, most, error))
    assert torch.equal(_weights(policy), before)
    found = cut.step(groups)
    assert found == pytest.approx(whole, rel=1e-3, abs=1e-5)
    assert cut.micro_batch.is_reduced and cut.micro_batch.cuts_groups
    size = cut.micro_batch.tokens
    again = cut.step(groups)
    assert cut.micro_batch.tokens == size, "the new size is remembered, so the next step fits at once"
    assert again["grad_norm"] > 0


def test_with_several_updates_those_that_fitted_are_not_repeated(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, trainer = _trainer(vlm, updates_per_step=2, importance_cap=2.0)
    groups = _groups(policy, images[:4])
    whole = trainer.step(groups)
    expected = _weights(policy)
    policy, cut = _trainer(vlm, updates_per_step=2, importance_cap=2.0)
    monkeypatch.setattr(policy.vlm, "logprobs", fits(policy, 7, ERRORS[0]))
    assert cut.step(groups) == pytest.approx(whole, rel=1e-3, abs=1e-5)
    assert float((_weights(policy) - expected).abs().max()) < 1e-3


def test_what_cannot_be_halved_is_told_and_leaves_the_weights(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, trainer = _trainer(vlm)
    groups = _groups(policy, images[:2])
    before = _weights(policy)
    monkeypatch.setattr(policy.vlm, "logprobs", fits(policy, 0, ERRORS[0]))
    with pytest.raises(OutOfMemory, match=r"out of memory in the update \(CUDA out of memory"):
        trainer.step(groups)
    assert torch.equal(_weights(policy), before)


def test_an_optimizer_without_room_is_told(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, trainer = _trainer(vlm)
    groups = _groups(policy, images[:1])

    def step() -> None:
        raise ERRORS[0]

    monkeypatch.setattr(trainer.optimizer, "step", step)
    with pytest.raises(OutOfMemory, match="the optimizer's step"):
        trainer.step(groups)


def test_another_error_is_no_lack_of_memory(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, trainer = _trainer(vlm)
    groups = _groups(policy, images[:1])
    monkeypatch.setattr(policy.vlm, "logprobs", fits(policy, 0, RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        trainer.step(groups)
    assert not trainer.micro_batch.is_reduced


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("what", ["loss", "gradient", "weights"])
def test_what_is_not_finite_is_named_and_only_a_finished_update_changes_weights(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch, bad: float, what: str
) -> None:
    policy, trainer = _trainer(vlm)
    assert isinstance(policy, FullPolicy)
    groups = _groups(policy, images[:2])
    before = _weights(policy)
    parameter = policy.trainable()[0]
    if what == "loss":
        real = policy.vlm.logprobs

        def logprobs(*given: Any) -> Any:
            scores = real(*given)
            return scores._replace(logprobs_ST=scores.logprobs_ST * bad)

        monkeypatch.setattr(policy.vlm, "logprobs", logprobs)
    elif what == "gradient":
        parameter.register_hook(lambda gradient: torch.full_like(gradient, bad))
    else:
        real_step = trainer.optimizer.step

        def step() -> None:
            real_step()
            parameter.data.flatten()[3] = bad

        monkeypatch.setattr(trainer.optimizer, "step", step)
    with pytest.raises(NotFiniteError, match=f"the {what} of the reasoner") as caught:
        trainer.step(groups)
    assert (caught.value.role, caught.value.what) == ("reasoner", what)
    assert what == "weights" or torch.equal(_weights(policy), before)


def test_a_restored_optimizer_takes_the_rate_of_the_settings(
    vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path
) -> None:
    policy, trainer = _trainer(vlm, learning_rate=1e-3, weight_decay=0.5)
    trainer.step(_groups(policy, images[:1]))
    trainer.save(tmp_path)
    other, resumed = _trainer(vlm, learning_rate=1e-5, weight_decay=0.01)
    resumed.restore(tmp_path)
    (group,) = resumed.optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (1e-5, 0.01)
    ours, theirs = resumed.optimizer.state, trainer.optimizer.state
    pairs = zip(other.trainable(), policy.trainable(), strict=True)
    assert all(torch.equal(ours[a]["exp_avg"], theirs[b]["exp_avg"]) for a, b in pairs if b in theirs)


def test_half_of_a_micro_batch() -> None:
    batch = MicroBatch(8192)
    batch.under_way = (24, 300)
    assert batch.half() == 150
    batch.under_way = (0, 0)
    assert batch.half() == 4096, "before the first micro-batch the limit is halved"
    batch.under_way = (8, 9200)
    batch.shrink(batch.half())
    assert batch.tokens == 4600 and batch.cuts_groups
    batch.under_way = (1, 9000)
    assert batch.half() == 0, "one completion cannot be halved"
    batch.shrink(1)
    batch.under_way = (0, 0)
    assert batch.half() == 0
