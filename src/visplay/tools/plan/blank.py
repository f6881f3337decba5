"""A model without weights, on torch's meta device, where tensors have shapes and no numbers; and its memory.

transformers' own passes run, with their casts, their copies and what autograd keeps. The storages that operators return
are counted. Left out: what kernels allocate and free within one operator, the vision tower, the mask, and decoding;
`model.py` adds the last two by arithmetic. Layers with a state in the place of attention run as transformers runs them
without the packages of fused kernels, which take less.

Shapes: B trees, L tokens, A axes of rotary positions, M scored tokens, H hidden size, V vocabulary, N answers; in
attention H query heads and D head size.
"""

from __future__ import annotations

import weakref
from typing import Any, cast

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AttentionInterface, AutoModelForImageTextToText, Cache, DynamicCache, PreTrainedConfig
from transformers.integrations.sdpa_attention import repeat_kv

from visplay.errors import ModelError, one_line
from visplay.generation.sampling import draw
from visplay.interfaces.engine import Sampling
from visplay.models.cache import TreeCache
from visplay.models.image_cache import ImageCache
from visplay.models.policy import Policy
from visplay.models.scores import CHUNK_NUMBERS, score_tokens
from visplay.models.tree_model import TreeModel

# Both keep for their gradient what PyTorch's kernels keep. FlexAttention takes few keys for many queries as they are;
# the kernel with a dense mask repeats them.
_FLEX, _DENSE = "visplay_blank_flex", "visplay_blank_dense"
_META = torch.device("meta")


class Blank(TreeModel):
    """A model of which only the shapes are known."""

    def __init__(self, name: str, model: Any) -> None:
        super().__init__(model, 0, cast(ImageCache, None))  # it sees no images
        self.name = name

    @classmethod
    def of(cls, name: str, config: PreTrainedConfig, dtype: str, trust_remote_code: bool = False) -> Blank:
        """The model of a configuration; raises ModelError if transformers cannot build it."""
        try:
            with _META:
                model = AutoModelForImageTextToText.from_config(
                    config, dtype=getattr(torch, dtype), trust_remote_code=trust_remote_code
                )
        except (ValueError, KeyError, AttributeError, TypeError, ImportError, RuntimeError) as error:
            raise ModelError(f"cannot build '{name}' from its configuration: {one_line(error)}") from None
        return cls(name, model.eval())

    def with_model(self, model: Any) -> Blank:
        """The same around a copy of the model."""
        return Blank(self.name, model)

    def attend(self, dense: bool) -> None:
        """Count attention as the kernel with a dense mask takes memory, or as FlexAttention does."""
        self.model.set_attn_implementation({"text_config": _DENSE if dense else _FLEX})

    def cache(self) -> TreeCache | Cache:
        """An empty cache of keys and values, as decoding uses it."""
        return DynamicCache(config=self.model.config.get_text_config()) if self.padded_because else TreeCache()

    def decode(self, rows: int, tokens: int, cache: TreeCache | Cache | None = None) -> torch.Tensor:
        """Last hidden states of rows of so many tokens, (B, L, H); a token tree is one row."""
        shape = (3, rows, tokens) if self._has_rope_index else (rows, tokens)
        output = self.model.get_decoder()(
            input_ids=_ids(rows, tokens),
            position_ids=_ids(*shape),
            past_key_values=cache,
            use_cache=cache is not None,
        )
        hidden_BLH: torch.Tensor = output.last_hidden_state
        return hidden_BLH


class LiveBytes(TorchDispatchMode):
    """Within a `with` block, bytes of tensors that were made in it and are still held: `now`, and at the `peak`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._held: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = {storage._cdata for storage in _storages((args, kwargs))}
        output = function(*args, **kwargs)
        for storage in _storages(output):
            # Views and results written into what was there before take nothing.
            if storage._cdata not in given and storage._cdata not in self._held:
                self._held[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._release, storage._cdata).atexit = False
        return output

    def _release(self, name: int) -> None:
        self.now -= self._held.pop(name)


def update_bytes(policy: Policy, rows: int, width: int, entropy_gradient: bool) -> int:
    """Peak of the forward and backward pass of a micro-batch of rows, beyond weights and their gradients.

    Every token is scored, which is more than a tree of answers on an image asks for.
    """
    blank, trainable = cast(Blank, policy.vlm), policy.trainable()
    for parameter in trainable:
        parameter.grad = torch.empty_like(parameter)  # as after the first micro-batch
    blank.train()
    with policy.active(), LiveBytes() as live:
        tokens = rows * width
        hidden_MH = blank.decode(rows, width).flatten(0, 1)[_ids(tokens)]
        # Chunks come one after the other, so two of them have the peak of many.
        vocabulary = blank.head.out_features
        few = 2 * CHUNK_NUMBERS // vocabulary + 2
        score_tokens(
            hidden_MH[:few], _ids(min(few, tokens)), blank.logits, vocabulary, entropy_gradient
        ).sum().backward()
    policy.model.eval()
    for parameter in trainable:
        parameter.grad = None
    return int(live.peak)


def prefill_bytes(policy: Policy, tokens: int) -> int:
    """Peak of computing images and prompts, their keys and values included."""
    with policy.active(), torch.no_grad(), LiveBytes() as live:
        blank = cast(Blank, policy.vlm)
        blank.decode(1, tokens, blank.cache())
    return int(live.peak)


def cache_bytes(policy: Policy, tokens: int) -> int:
    """Keys and values of a row of so many tokens on the padded path, with what layers without them keep instead."""
    blank = cast(Blank, policy.vlm)
    cache = blank.cache()
    with policy.active(), torch.no_grad():
        blank.decode(1, tokens, cache)
    kept = tree_leaves([vars(layer) for layer in cast(Cache, cache).layers])
    # Not the counters of a layer, which all rows share.
    return sum(tensor.nbytes for tensor in kept if isinstance(tensor, torch.Tensor) and tensor.ndim > 1)


def draw_bytes(policy: Policy, answers: int, sampling: Sampling) -> int:
    """Peak of drawing the next token of so many answers."""
    head = policy.vlm.head.weight
    with torch.no_grad(), LiveBytes() as live:
        logits_NV = policy.vlm.logits(torch.empty(answers, head.shape[1], dtype=head.dtype, device=_META))
        uniform_N = torch.empty(answers, dtype=torch.float64, device=_META)
        draw(logits_NV, uniform_N, sampling, _ids(2), torch.empty(answers, dtype=torch.bool, device=_META))
    return int(live.peak)


def _ids(*shape: int) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.int64, device=_META)


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _flex(
    module: torch.nn.Module, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any
) -> tuple[torch.Tensor, None]:
    # PyTorch's fused attention whose shapes the meta device knows: it keeps its output and one float32 sum per row.
    output_BHLD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, keys, values)[0]
    return output_BHLD.transpose(1, 2), None


def _dense(
    module: torch.nn.Module, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any
) -> tuple[torch.Tensor, None]:
    times = query.shape[1] // keys.shape[1]
    return _flex(module, query, repeat_kv(keys, times), repeat_kv(values, times))


AttentionInterface.register(_FLEX, _flex)
AttentionInterface.register(_DENSE, _dense)
