"""A GRPO update and a rollout without trees, in plain PyTorch and transformers, as TRL computes them.

Shapes: S completions, R of them in a forward pass, T completion tokens, L tokens of prompt and completion, H hidden
size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor
from transformers import GenerationConfig

from benchmarks.gpu.device import Device
from visplay.interfaces.advantages import GroupRewards
from visplay.models.policy import Policy
from visplay.models.vlm import VLM, EncodedPrompt
from visplay.rl.advantages.estimators import GroupNorm
from visplay.types import Group, Request

PLAIN = "sdpa"  # transformers' own attention by PyTorch


class PlainUpdate:
    """Every completion is a row with an image of its own; bfloat16 by autocast, logits of completions alone.

    Args:
        rows: completions of a forward pass.
        kl: weight of the penalty; above 0, the reference is computed too.
    """

    def __init__(self, policy: Policy, group: Group, rows: int, kl: float, device: Device) -> None:
        self._policy, self._rows, self._kl, self._device = policy, rows, kl, device
        self._prompt = policy.vlm.encode(group.request.image, group.request.prompt)
        sequences = [(*self._prompt.token_ids, *c.token_ids) for c in group.completions]
        self._ids_SL = torch.tensor(sequences, device=device.torch)
        self._length = len(group.completions[0].token_ids)
        (advantages,) = GroupNorm().estimate([GroupRewards(group.rewards)])
        self._advantages_S = torch.tensor(advantages, device=device.torch)
        self._optimizer = torch.optim.AdamW(policy.trainable(), lr=1e-5, fused=device.is_gpu)

    def step(self) -> float:
        """Take the update; returns the gradient's norm before it is clipped."""
        self._policy.model.train()
        for start in range(0, len(self._ids_SL), self._rows):
            with self._autocast():
                loss = self._loss(slice(start, start + self._rows))
            loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self._policy.trainable(), 1.0))
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._policy.model.eval()
        return norm

    def _loss(self, part: slice) -> Tensor:
        reference_RT = None
        if self._kl:
            with self._policy.reference(), torch.no_grad():
                reference_RT = self._logprobs(self._ids_SL[part])
        logprobs_RT = self._logprobs(self._ids_SL[part])
        cost_RT = -torch.exp(logprobs_RT - logprobs_RT.detach()) * self._advantages_S[part, None]
        if reference_RT is not None:
            gap_RT = reference_RT - logprobs_RT
            cost_RT = cost_RT + self._kl * (gap_RT.exp() - gap_RT - 1)
        return cost_RT.mean(1).sum() / len(self._ids_SL)

    def _logprobs(self, ids_RL: Tensor) -> Tensor:
        """Of the completions' tokens, (R, T); entropies are computed too, because TRL reports them."""
        vlm = self._policy.vlm
        hidden_RLH = vlm.model.base_model(
            input_ids=ids_RL,
            attention_mask=torch.ones_like(ids_RL),
            use_cache=False,
            **vlm.token_types(ids_RL),
            **repeated_pixels(self._prompt, len(ids_RL), self._device),
        ).last_hidden_state
        rows = zip(hidden_RLH[:, -self._length - 1 : -1], ids_RL[:, -self._length :], strict=True)
        return torch.stack([self._score(vlm, hidden_TH, ids_T) for hidden_TH, ids_T in rows])

    @staticmethod
    def _score(vlm: VLM, hidden_TH: Tensor, ids_T: Tensor) -> Tensor:
        logits_TV = vlm.head(hidden_TH).float()
        norm_T = logits_TV.logsumexp(-1)
        with torch.no_grad():
            (norm_T - (logits_TV.softmax(-1) * logits_TV).sum(-1)).mean()
        chosen_T: Tensor = logits_TV.gather(1, ids_T[:, None])[:, 0] - norm_T
        return chosen_T

    def _autocast(self) -> AbstractContextManager[None]:
        return cast("AbstractContextManager[None]", torch.autocast(self._device.torch.type, torch.bfloat16))


def generate(vlm: VLM, requests: list[Request], device: Device) -> Callable[[int], Tensor]:
    """transformers' `generate` of all answers to the requests, as one batch, by the length of an answer."""
    encoded = [vlm.encode(request.image, request.prompt) for request in requests]
    width = max(len(prompt.token_ids) for prompt in encoded)
    ids_SL = torch.full((len(encoded), width), vlm.pad_id)
    mask_SL = torch.zeros_like(ids_SL)
    for row, prompt in enumerate(encoded):
        ids_SL[row, -len(prompt.token_ids) :] = torch.tensor(prompt.token_ids)
        mask_SL[row, -len(prompt.token_ids) :] = 1
    pixels = {name: torch.cat([p.pixels[name] for p in encoded]).to(device.torch) for name in encoded[0].pixels}
    ids_SL, mask_SL = ids_SL.to(device.torch), mask_SL.to(device.torch)

    def run(length: int) -> Tensor:
        config = GenerationConfig(
            do_sample=True,
            top_k=0,
            num_return_sequences=requests[0].n,
            max_new_tokens=length,
            pad_token_id=vlm.pad_id,
            eos_token_id=None,
        )
        inputs: dict[str, Any] = {"input_ids": ids_SL, "attention_mask": mask_SL, **vlm.token_types(ids_SL), **pixels}
        with torch.inference_mode():
            return cast(Tensor, vlm.model.generate(**inputs, generation_config=config))

    return run


def repeated_pixels(prompt: EncodedPrompt, times: int, device: Device) -> dict[str, Tensor]:
    """The image of a prompt, so many times."""
    return {name: torch.cat([tensor] * times).to(device.torch) for name, tensor in prompt.pixels.items()}
