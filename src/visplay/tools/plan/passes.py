"""What the model's forward and backward passes hold at their peak, counted on the meta device.

Nothing is estimated here: transformers' own code runs, with its casts, its copies and what autograd keeps. The storages
that operators return are counted. Left out: what kernels allocate and free within one operator, the mask, the vision
tower, and decoding; `memory.py` adds the last three by arithmetic.

Shapes: L tokens, M scored tokens, H hidden size, V vocabulary, N answers.
"""

from __future__ import annotations

import weakref
from typing import Any, cast

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from visplay.generation.sampling import draw
from visplay.interfaces.engine import Sampling
from visplay.models.cache import TreeCache
from visplay.models.policy import Policy
from visplay.models.scores import CHUNK_NUMBERS, score_tokens
from visplay.tools.plan.blank import Blank

META = torch.device("meta")


def update_bytes(policy: Policy, tokens: int, entropy_gradient: bool) -> int:
    """Peak of the forward and backward pass of a micro-batch, beyond weights and their gradients.

    Every token is scored, which is more than a tree of answers on an image asks for.
    """
    blank, trainable = cast(Blank, policy.vlm), policy.trainable()
    for parameter in trainable:
        parameter.grad = torch.empty_like(parameter)  # as after the first micro-batch
    policy.model.train()
    with policy.active(), LiveBytes() as live:
        hidden_1LH = _hidden(blank, tokens)
        hidden_MH = hidden_1LH[0][torch.empty(tokens, dtype=torch.int64, device=META)]
        # Chunks come one after the other, so two of them have the peak of many.
        few = 2 * CHUNK_NUMBERS // len(blank.head.weight) + 2
        ids_M = torch.empty(min(few, tokens), dtype=torch.int64, device=META)
        score_tokens(hidden_MH[:few], ids_M, blank.head, entropy_gradient).sum().backward()
    policy.model.eval()
    for parameter in trainable:
        parameter.grad = None
    return int(live.peak)


def prefill_bytes(policy: Policy, tokens: int) -> int:
    """Peak of computing images and prompts, their keys and values included."""
    with policy.active(), torch.no_grad(), LiveBytes() as live:
        _hidden(cast(Blank, policy.vlm), tokens, TreeCache())
    return int(live.peak)


def draw_bytes(policy: Policy, answers: int, sampling: Sampling) -> int:
    """Peak of drawing the next token of so many answers."""
    head = policy.vlm.head.weight
    with torch.no_grad(), LiveBytes() as live:
        logits_NV = policy.vlm.logits(torch.empty(answers, head.shape[1], dtype=head.dtype, device=META))
        uniform_N = torch.empty(answers, dtype=torch.float64, device=META)
        banned = torch.empty(2, dtype=torch.int64, device=META)
        draw(logits_NV, uniform_N, sampling, banned, torch.empty(answers, dtype=torch.bool, device=META))
    return int(live.peak)


def _hidden(blank: Blank, tokens: int, cache: TreeCache | None = None) -> torch.Tensor:
    shape = (3, 1, tokens) if blank.axes == 3 else (1, tokens)
    ids_1L = torch.empty(1, tokens, dtype=torch.int64, device=META)
    output = blank.model.get_decoder()(
        inputs_embeds=blank.model.get_input_embeddings()(ids_1L),
        position_ids=torch.empty(shape, dtype=torch.int64, device=META),
        attention_mask=torch.empty(1, 1, 1, 1, device=META),  # one of four axes is taken as it is
        past_key_values=cache,
        use_cache=cache is not None,
    )
    hidden_1LH: torch.Tensor = output.last_hidden_state
    return hidden_1LH


class LiveBytes(TorchDispatchMode):
    """Within a `with` block, bytes of tensors that were made in it and are still held.

    Attributes:
        now: held at present.
        peak: the most that were held at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._held: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = {_name(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        output = function(*args, **kwargs)
        for tensor in tree_leaves(output):
            # Views and results written into what was there before take nothing.
            if isinstance(tensor, torch.Tensor) and _name(tensor) not in given:
                self._hold(tensor.untyped_storage())
        return output

    def _hold(self, storage: torch.UntypedStorage) -> None:
        name = storage._cdata
        if name in self._held:
            return
        self._held[name] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._let_go, name).atexit = False

    def _let_go(self, name: int) -> None:
        self.now -= self._held.pop(name)


def _name(tensor: torch.Tensor) -> int:
    name: int = tensor.untyped_storage()._cdata
    return name
