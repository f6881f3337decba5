"""A model's needs as functions of tokens and answers, measured on the meta device for the settings of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import cast

import torch
from transformers import PreTrainedConfig

from visplay.config import Settings
from visplay.distributed.controller import Controller
from visplay.interfaces.engine import Sampling
from visplay.tools.plan.blank import Blank, roles
from visplay.tools.plan.memory import Shape, four_bit_bytes, optimizer_bytes
from visplay.tools.plan.passes import draw_bytes, prefill_bytes, update_bytes
from visplay.tools.plan.workload import Parameters

# Memory grows in proportion from here on.
_TOKENS = 1024
_ANSWERS = 64


class Measured:
    """What the roles of a run hold.

    Attributes:
        parameters: of the base.
        trainable: weights of its own that a role trains, numbers.
        base, roles: bytes of the base, and of what both roles have beside it.
        gradients, optimizer: of one role, bytes of the gradients, and of AdamW's state with its float32 weights; of
            several processes that of the one whose share of the weights is largest.
        step: bytes that an optimizer step takes for a moment beside them.
        padded_because: why token trees are ruled out; empty where they are not, which a run's probe then checks.
        prefill: bytes at the peak of computing a token of images and prompts, its keys and values included.
        activations: of a number of tokens, the bytes that their forward and backward pass holds at its peak.
        draw: of a way of sampling, bytes at the peak of drawing a token, an answer.

    Raises:
        ModelError: the model cannot be built from its configuration, or takes no adapters.
    """

    def __init__(self, name: str, config: PreTrainedConfig, settings: Settings, processes: int = 1) -> None:
        blank = Blank.of(name, config, settings.dtype, settings.trust_remote_code)
        self.padded_because = blank.padded_because
        self.parameters = count(blank)
        self.base = _bytes([*blank.model.parameters(), *blank.model.buffers()])
        if settings.four_bit:
            self.base -= _saved_by_four_bits(blank)
        known = {id(parameter) for parameter in blank.model.parameters()}
        policies = roles(blank, settings)
        own = {id(p): p for policy in policies for p in policy.model.parameters() if id(p) not in known}
        self.roles = _bytes(own.values())
        self._policy = policies[1]
        trained = self._policy.trainable()
        self.trainable = sum(parameter.numel() for parameter in trained)
        self.gradients = _bytes(trained)
        share = _largest_share(trained, processes)
        sizes = [parameter.numel() for parameter in share]
        masters = sum(4 * p.numel() for p in share if p.dtype != torch.float32)
        self.optimizer = optimizer_bytes(sizes, settings.rl.optimizer == "adamw_8bit") + masters
        # Gradients in float32 take the place of the model's own; the root of second moments is one tensor's at a time.
        self.step = max(0, 4 * sum(sizes) - _bytes(share)) + 8 * max(sizes, default=0)
        if processes > 1:  # a gradient is added in float32
            self.step = max(self.step, 4 * max(parameter.numel() for parameter in trained))
        # On a GPU the mask of a tree is one of blocks.
        self.dense = settings.device == "cpu" or bool(self.padded_because)
        cast(Blank, self._policy.vlm).attend(self.dense)
        self.shape = shape_of(blank, self.dense)
        self._entropy = settings.rl.entropy > 0
        self.prefill = prefill_bytes(self._policy, _TOKENS) / _TOKENS
        self.activations = cache(self._activations)
        self.draw = cache(self._draw)

    def _activations(self, tokens: int) -> int:
        return update_bytes(self._policy, tokens, self._entropy)

    def _draw(self, sampling: Sampling) -> float:
        return draw_bytes(self._policy, _ANSWERS, sampling) / _ANSWERS


def _largest_share(trained: Sequence[torch.nn.Parameter], processes: int) -> list[torch.nn.Parameter]:
    """The weights of which one of the processes keeps the optimizer's state."""
    owners = Controller(0, processes).partition([parameter.numel() for parameter in trained])
    shares: list[list[torch.nn.Parameter]] = [[] for _ in range(processes)]
    for parameter, owner in zip(trained, owners, strict=True):
        shares[owner].append(parameter)
    return max(shares, key=_numbers)


def count(blank: Blank) -> Parameters:
    """Weights by what they are for; one that is used twice counts once in the total."""
    embeddings = {id(p) for p in blank.model.get_input_embeddings().parameters()}
    decoder = [p for p in blank.model.get_decoder().parameters() if id(p) not in embeddings]
    return Parameters(
        total=_numbers(blank.model.parameters()),
        decoder=_numbers(decoder),
        head=_numbers(blank.head.parameters()),
        vision=_numbers(blank.vision_parameters()),
    )


def shape_of(blank: Blank, dense: bool) -> Shape:
    """What the arithmetic of memory asks of the decoder; see `Shape`."""
    text = blank.model.config.get_text_config()
    heads = text.num_attention_heads
    width = blank.model.dtype.itemsize
    linear = [m.out_features for part in blank.vision for m in part.modules() if isinstance(m, torch.nn.Linear)]
    return Shape(
        layers=text.num_hidden_layers,
        heads=heads,
        groups=text.num_key_value_heads,
        head_size=getattr(text, "head_dim", None) or text.hidden_size // heads,
        hidden=text.hidden_size,
        width=width,
        # A block holds a few tensors as wide as its widest layer.
        vision_bytes=4 * max(linear, default=0) * width * _patches(blank),
        tree=not blank.padded_because,
        dense=dense,
    )


def _saved_by_four_bits(blank: Blank) -> int:
    """Bytes fewer when the decoder's linear layers are stored in NF4, of which one at a time is computed with."""
    weights = [m.weight for m in blank.model.get_decoder().modules() if isinstance(m, torch.nn.Linear)]
    return sum(w.nbytes - four_bit_bytes(w.numel()) for w in weights) - max(w.nbytes for w in weights)


def _patches(blank: Blank) -> int:
    """Patches that become one token of the language model."""
    config = blank.model.config
    merged = getattr(config.vision_config, "spatial_merge_size", None) or getattr(config, "scale_factor", None)
    return int(merged or round(1 / getattr(config, "downsample_ratio", 1))) ** 2


def _numbers(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
