"""What the code of visplay could do otherwise on a GPU; each is tried on its own, without a setting for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from visplay.models import scores, tree_model
from visplay.models.policy import Policy
from visplay.rl.trainer import Trainer

DENSE, FLEX = "dense mask", "FlexAttention"


@contextmanager
def replaced(owner: object, name: str, value: Any) -> Iterator[None]:
    """Context manager: another value of an attribute of a module or an object."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def attention(how: str) -> Any:
    """Context manager: token trees take `FLEX` or `DENSE`; for any other text, what visplay chooses."""
    if how not in (DENSE, FLEX):
        return nullcontext()
    return replaced(tree_model, "flex_runs", lambda *_: how == FLEX)


def logits_at_once(numbers: int) -> Any:
    """Context manager: so many logits are computed at once."""
    return replaced(scores, "CHUNK_NUMBERS", numbers)


def fuse_optimizer(trainer: Trainer) -> None:
    """Let one kernel update all weights; for a trainer that has made no step yet."""
    for group in trainer.optimizer.param_groups:
        group["foreach"], group["fused"] = False, True


def set_adapters(policy: Policy, values: list[torch.Tensor], dtype: torch.dtype) -> None:
    """Give a policy these adapters, in this type."""
    for parameter, value in zip(policy.trainable(), values, strict=True):
        parameter.data = value.to(dtype, copy=True)
        parameter.grad = None


def recompute_activations(policy: Policy, recompute: bool) -> None:
    """Recompute activations in the backward pass, or keep them."""
    if recompute:
        policy.checkpoint_activations()
    else:
        policy.vlm.model.gradient_checkpointing_disable()
