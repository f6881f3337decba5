"""The memory of a model under the settings of a run: bytes, counted on the meta device.

Keys and values, masks and the attention of a decoding step are arithmetic. Left out: the vision tower, which takes less
than the prefill of its images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from math import ceil
from typing import NamedTuple, cast

import torch
from transformers import PreTrainedConfig

from visplay.config import Settings
from visplay.distributed.controller import Controller
from visplay.models.cache import ROOM
from visplay.models.policy import role_of
from visplay.models.vlm import VLM
from visplay.tools.plan.blank import Blank, cache_bytes, draw_bytes, prefill_bytes, update_bytes
from visplay.tools.plan.workload import Batch, Generation

# Memory grows in proportion from here on.
_TOKENS = 1024
_ANSWERS = 64
_ROWS = 4


class Peak(NamedTuple):
    """Bytes of a rollout beyond the permanent ones: of the prefill, of all keys and values, of a decoding step."""

    prefill: int
    cache: int
    step: int

    @property
    def total(self) -> int:
        return max(self.prefill, self.cache + self.step)


class Measured:
    """The memory of the roles of a run: numbers of weights, and bytes.

    Attributes:
        total, decoder, head, vision: weights of the base: all, the decoder's layers, the layer to the vocabulary, and
            all before the decoder. A weight that is used twice counts once in the total.
        trainable: weights that a role trains.
        without_adapter: see `Policy.without_adapter`.
        base, roles: bytes of the base, and of both roles' own weights: adapters, or copies of the base's weights.
        gradients, optimizer: for one role, bytes of the gradients, and of AdamW's state with its float32 weights. With
            several processes, the optimizer is that of the process with the largest share of the weights.
        step: further bytes that an optimizer step needs for a moment.
        padded_because: why token trees are impossible; empty if they are possible, which a run's probe then checks.
        dense: attention takes a dense mask; else FlexAttention.
        token_bytes, feature_bytes: keys and values, and vision features, of a token.
        state_bytes: what a sequence on the padded path keeps however long it is: windows and states of layers.
        prefill: bytes at the peak of computing a token of images and prompts, its keys and values included.

    Raises:
        ModelError: the model cannot be built from its configuration, or takes no adapters.
    """

    def __init__(self, name: str, config: PreTrainedConfig, settings: Settings, processes: int = 1) -> None:
        blank = Blank.of(name, config, settings.dtype, settings.trust_remote_code)
        self.padded_because = blank.padded_because
        # On a GPU the mask of a tree is one of blocks.
        self.dense = settings.device == "cpu" or bool(self.padded_because)
        embeddings = {id(p) for p in blank.model.get_input_embeddings().parameters()}
        self.total = _numbers(blank.model.parameters())
        self.decoder = _numbers(p for p in blank.model.get_decoder().parameters() if id(p) not in embeddings)
        self.head = _numbers(blank.head.parameters())
        self.vision = _numbers(blank.vision_parameters())
        self.base = _bytes([*blank.model.parameters(), *blank.model.buffers()])
        if settings.four_bit:
            self.base -= _saved_by_four_bits(blank)

        text = blank.model.config.get_text_config()
        self._width: int = blank.model.dtype.itemsize
        self._heads = text.num_attention_heads
        self.feature_bytes = text.hidden_size * self._width

        known = {id(parameter) for parameter in blank.model.parameters()}
        # A policy asks the VLM for nothing that needs text or images.
        roles = [role_of(cast(VLM, blank), role, settings) for role in ("questioner", "reasoner")]
        for role in roles:
            role.model.to(device="meta")  # PEFT makes the second adapter on the CPU
        self.roles = _bytes(
            {id(p): p for role in roles for p in role.model.parameters() if id(p) not in known}.values()
        )
        self._policy = roles[1]
        trained = self._policy.trainable()
        self.without_adapter = self._policy.without_adapter()
        self.trainable, self.gradients = _numbers(trained), _bytes(trained)

        share = _largest_share(trained, processes)
        sizes = [parameter.numel() for parameter in share]
        masters = sum(4 * p.numel() for p in share if p.dtype != torch.float32)
        self.optimizer = optimizer_bytes(sizes, settings.rl.optimizer == "adamw_8bit") + masters
        # Gradients in float32 take the place of the model's own; the root of second moments is one tensor's at a time.
        self.step = max(0, 4 * sum(sizes) - _bytes(share)) + 8 * max(sizes, default=0)
        if processes > 1:  # a gradient is added in float32
            self.step = max(self.step, 4 * max(parameter.numel() for parameter in trained))

        cast(Blank, self._policy.vlm).attend(self.dense)
        self._entropy = settings.rl.entropy > 0
        self.prefill = prefill_bytes(self._policy, _TOKENS) / _TOKENS
        self.token_bytes, self.state_bytes = self._cached(text)
        self._update_bytes = cache(update_bytes)
        self._draw_bytes = cache(draw_bytes)

    def _cached(self, text: PreTrainedConfig) -> tuple[int, int]:
        """Bytes of keys and values of a token, and of what a sequence keeps however long it is."""
        if not self.padded_because:
            head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
            return 2 * text.num_hidden_layers * text.num_key_value_heads * head_size * self._width, 0
        # Layers with a window keep no more of a long sequence, and layers with a state no more of any.
        windows = _TOKENS + (getattr(text, "sliding_window", None) or 0)
        less, more = (cache_bytes(self._policy, windows + tokens) for tokens in (0, _TOKENS))
        token = (more - less) // _TOKENS
        return token, less - windows * token

    def activations(self, tokens: int, group: int) -> int:
        """Peak of the passes of a micro-batch: one tree, or rows of at most `group` tokens on the padded path."""
        width = min(tokens, group) if self.padded_because else tokens
        rows = tokens // width
        return self._rows_bytes(rows, width) + self.mask_bytes(rows, width)

    def _rows_bytes(self, rows: int, width: int) -> int:
        """Peak of the passes of a micro-batch of rows; beyond a few rows each takes as much as the one before."""
        if rows <= _ROWS:
            return self._update_bytes(self._policy, rows, width, self._entropy)
        few, more = (self._update_bytes(self._policy, n, width, self._entropy) for n in (_ROWS // 2, _ROWS))
        return more + ceil((more - few) * (rows - _ROWS) / (_ROWS - _ROWS // 2))

    def rollout_peak(self, generation: Generation, batch: Batch) -> Peak:
        """The memory of a batch in which all completions have the greatest length."""
        # One softmax over all that an answer sees: scores of both parts and joined, in float32, and back.
        seen = batch.shared + generation.limit
        attention = batch.all_answers * self._heads * seen * (3 * self._width + 4)
        draw = self._draw_bytes(self._policy, _ANSWERS, generation.sampling) / _ANSWERS
        return Peak(
            prefill=ceil(self.prefill * batch.tokens) + self.mask_bytes(batch.trees, batch.shared),
            cache=self.kv_bytes(batch, generation.limit - 1),
            step=max(attention, ceil(draw * batch.all_answers)),
        )

    def kv_bytes(self, batch: Batch, own: int) -> int:
        """Keys and values of a batch whose answers have `own` tokens of their own."""
        if self.padded_because:
            return batch.all_answers * (self.token_bytes * (batch.shared + own) + self.state_bytes)
        room = ROOM if own else 0  # a full buffer doubles
        while room < own:
            room *= 2
        return self.token_bytes * (batch.tokens + batch.all_answers * room)

    def mask_bytes(self, rows: int, tokens: int) -> int:
        """A dense mask, as truth values and as numbers to add."""
        return rows * tokens**2 * (1 + self._width) if self.dense else 0


def optimizer_bytes(tensors: Iterable[int], eight_bit: bool) -> int:
    """AdamW's state of tensors of so many weights.

    Two float32 moments and a float32 count; or, by bitsandbytes, two bytes per weight and a float32 scale for every
    256 of each moment, but float32 moments for tensors of fewer than 4,096 weights.
    """
    if not eight_bit:
        return sum(8 * size + 4 for size in tensors)
    return sum(8 * size if size < 4096 else 2 * (size + 4 * ceil(size / 256)) for size in tensors)


def _saved_by_four_bits(blank: Blank) -> int:
    """Bytes that NF4 saves in the decoder's linear layers; one layer at a time is expanded for its computation.

    A weight takes half a byte, and every 64 weights a float32 scale.
    """
    weights = [m.weight for m in blank.model.get_decoder().modules() if isinstance(m, torch.nn.Linear)]
    stored = sum(ceil(w.numel() / 2) + 4 * ceil(w.numel() / 64) for w in weights)
    return _bytes(weights) - stored - max(w.nbytes for w in weights)


def _largest_share(trained: Sequence[torch.nn.Parameter], processes: int) -> list[torch.nn.Parameter]:
    """The weights of which one of the processes keeps the optimizer's state."""
    owners = Controller(0, processes).partition([parameter.numel() for parameter in trained])
    shares = [[p for p, owner in zip(trained, owners, strict=True) if owner == rank] for rank in range(processes)]
    return max(shares, key=_numbers)


def _numbers(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
