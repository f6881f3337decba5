"""An engine with a script in place of a sampler: valid questions and answers that depend on the policy's weights."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import torch

from visplay.interfaces.engine import Engine, EngineBackend, Sampling
from visplay.models.policy import Policy
from visplay.types import Completion, Request

_COLORS = ("red", "blue")


class Scripted(EngineBackend):
    """Questions about numbers, answered by colours; named by its import path."""

    def engines(self, base: Any, policies: Sequence[Any], run: Any) -> list[Engine]:
        return [_Script(policy) for policy in policies]


class _Script:
    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        with self.policy.active() as vlm:
            weights = [*vlm.model.parameters()]
            state = repr([float(weight.detach().double().sum()) for weight in weights])
            return {r.id: tuple(self._completion(vlm, r, index, state) for index in range(r.n)) for r in requests}

    def _completion(self, vlm: Any, request: Request, index: int, state: str) -> Completion:
        drawn = zlib.crc32(f"{state} {request.id} {index}".encode())
        text = f"\\boxed{{{_COLORS[drawn % 7 == 0]}}}"
        if "<type>" in request.prompt:
            text = f"<type>open</type><question>what is at {drawn % 97}?</question>"
        ids = (*vlm.tokenizer(text, add_special_tokens=False)["input_ids"], *vlm.eos_ids[:1])
        return Completion(request.id, index, ids, (-0.5,) * len(ids), text, True)

    def metrics(self) -> dict[str, float]:
        return {}

    def close(self) -> None: ...


def weights_of(model: torch.nn.Module) -> list[torch.Tensor]:
    """The trained weights of a model, for faults that spoil one."""
    return [parameter.data for parameter in model.parameters() if parameter.requires_grad]
