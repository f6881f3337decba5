"""The part `update3b`: a GRPO update of adapters by 8 completions of 512 tokens, against the plain path and the floor.

visplay's update is timed as it is, with new images. Then it is timed with a dense mask and one change at a time, with
FlexAttention, and with all changes. The vision tower has seen the images of those before, and the plain path has the
windows of the tower in one call, so that the tower weighs little.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from benchmarks.gpu import inputs
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.ceilings import ceilings
from benchmarks.gpu.floors import Floors
from benchmarks.gpu.models import make_vlm
from benchmarks.gpu.peer import PLAIN, PlainUpdate
from benchmarks.gpu.switches import (
    DENSE,
    FLEX,
    attention,
    fuse_optimizer,
    logits_at_once,
    recompute_activations,
    set_adapters,
)
from benchmarks.gpu.windows import joined_windows
from visplay.config import LoraSettings, RLSettings
from visplay.models.attention import TREE_ATTENTION
from visplay.models.policy import Policy, new_policy
from visplay.models.scores import CHUNK_NUMBERS
from visplay.rl.trainer import Trainer
from visplay.types import Group

KL = 0.01
_ROUNDS = 2
_AS_IT_IS = "as it is"
_LARGE = 2**28  # logits at once
_SAME = 0.1  # of the gradient's norm; bfloat16 explains no more


class _Variant(NamedTuple):
    """visplay's update, with another kernel of attention, type of adapters, number of logits at once, and so on."""

    how: str
    attention: str = _AS_IT_IS
    adapters: torch.dtype = torch.float32
    logits: int = CHUNK_NUMBERS
    fused: bool = False
    recompute: bool = True
    kl: float = KL


class _Plain(NamedTuple):
    """The plain path: completions of a forward pass, and whether the windows of the tower are in one call."""

    rows: int
    recompute: bool = True
    joined: bool = True


_DENSE = _Variant(DENSE, DENSE)
_ALL = _Variant("all of it", FLEX, torch.bfloat16, _LARGE, fused=True)
# In the order of what is wanted most.
_VARIANTS = (
    _Variant(_AS_IT_IS),
    _Plain(8),
    _Variant(_AS_IT_IS, kl=0.0),
    _DENSE,
    _Variant(FLEX, FLEX),
    _ALL,
    _ALL._replace(kl=0.0),
    _DENSE._replace(how="large chunks of logits", logits=_LARGE),
    _DENSE._replace(how="fused AdamW", fused=True),
    _DENSE._replace(how="adapters in bfloat16", adapters=torch.bfloat16),
    _DENSE._replace(how="activations kept", recompute=False),
    _ALL._replace(how="all of it, activations kept", recompute=False),
    _ALL._replace(how="all of it, activations kept", recompute=False, kl=0.0),
    _Plain(4, recompute=False),
    _Plain(8, joined=False),
)


def sizes(bench: Bench) -> tuple[int, int, int]:
    """Image tokens, completions, and tokens of each."""
    return bench.pick((1024, 8, 512), (16, 4, 8))


def case_of(bench: Bench, kl: float) -> str:
    """The name of the update with a penalty, or without."""
    _, size, length = sizes(bench)
    return f"{size} × {length}, {'' if kl else 'no '}KL"


def adapted(policy: Policy) -> list[torch.Tensor]:
    """Make the adapters say something, and return their values."""
    torch.manual_seed(1)
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name and f".{policy.role}." in name:
            torch.nn.init.normal_(parameter, std=1e-3)
    return [parameter.detach().clone() for parameter in policy.trainable()]


def run(bench: Bench) -> None:
    """Time visplay's variants and the plain path, each from the same adapters."""
    updates = _Updates(bench)
    with_flex = bench.has_gpu(f"updates with {FLEX}")
    for variant in _VARIANTS:
        if isinstance(variant, _Plain):
            with bench.attempt(f"update, plain path, {variant.rows} rows"):
                updates.plain(variant)
        elif variant.attention != FLEX or with_flex:
            with bench.attempt(f"update, {variant.how}"):
                updates.visplay(variant)


class _Updates:
    """The contenders, which share a model."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._image_tokens, self._size, self._length = sizes(bench)
        self._vlm = make_vlm(bench, bench.size or "3b", torch.bfloat16, self._image_tokens)
        self._floors = Floors.of(self._vlm, self._image_tokens, ceilings(bench))
        self._roles = [new_policy(self._vlm, role, "lora", LoraSettings()) for role in ("questioner", "reasoner")]
        self._policy = self._roles[1]
        with self._policy.active():
            self._adapters = adapted(self._policy)
        self._new = itertools.count()  # numbers of groups on images that were not seen before
        self._same = self._group(next(self._new))
        self._seen = [self._group(next(self._new)) for _ in range(_ROUNDS)]
        self._norms: dict[str, float] = {}

    def visplay(self, variant: _Variant) -> None:
        """Time a variant of visplay's update."""
        set_adapters(self._policy, self._adapters, variant.adapters)
        recompute_activations(self._policy, variant.recompute)
        settings = RLSettings(kl=variant.kl, learning_rate=1e-5)
        trainer = Trainer(self._policy, settings)
        if variant.fused:
            fuse_optimizer(trainer)
        new = variant.how == _AS_IT_IS
        groups = [self._group(next(self._new)) for _ in self._seen] if new else self._seen
        rounds = iter(groups)
        with attention(variant.attention), logits_at_once(variant.logits), joined_windows(self._vlm.model, not new):
            norm, first = self._first(lambda: trainer.step([self._same])["grad_norm"])
            self._norms.setdefault("visplay", norm)
            if not new:
                self._see(groups)
            self._measure("visplay", variant.how, variant.kl, lambda: trainer.step([next(rounds)]), first_s=first)

    def plain(self, variant: _Plain) -> None:
        """Time the update without trees."""
        rows, recompute, joined = variant
        set_adapters(self._policy, self._adapters, torch.float32)
        recompute_activations(self._policy, recompute)
        self._vlm.model.set_attn_implementation({"text_config": PLAIN})
        with joined_windows(self._vlm.model, joined), self._policy.active():
            update = PlainUpdate(self._policy, self._same, rows, KL, self._bench.device)
            self._agree(update.step())
            how = f"{rows} rows{', activations kept' * (not recompute)}{', tower by windows' * (not joined)}"
            self._measure("plain path", how, KL, update.step)
        self._vlm.model.set_attn_implementation({"text_config": TREE_ATTENTION})

    def _group(self, number: int) -> Group:
        """Group `number`, whose image is prepared and whose prompt is tokenised."""
        group = inputs.group("update", number, self._image_tokens, self._size, self._length)
        self._vlm.encode(group.request.image, group.request.prompt)
        return group

    def _see(self, groups: Sequence[Group]) -> None:
        """Let the vision tower see images before they are timed."""
        requests = [group.request for group in groups]
        self._vlm.features([self._vlm.encode(r.image, r.prompt).pixels for r in requests])

    def _first(self, step: Callable[[], float]) -> tuple[float, float]:
        """The gradient's norm of a first step, and its seconds, which include compilation."""
        begun = time.perf_counter()
        norm = step()
        self._bench.device.synchronize()
        return norm, time.perf_counter() - begun

    def _measure(self, who: str, how: str, kl: float, step: Callable[[], object], **more: Any) -> None:
        device = self._bench.device
        device.restart_peak()
        rounds = device.seconds(step, _ROUNDS, 0)
        prompt = len(self._vlm.encode(self._same.request.image, self._same.request.prompt).token_ids)
        floor_s = self._floors.update_s(prompt, self._size, self._length, kl > 0)
        tokens = self._size * self._length
        more = {"peak_bytes": device.peak(), "prompt": prompt, **more}
        self._bench.findings.time(
            "update", case_of(self._bench, kl), who, how, rounds, floor_s=floor_s, tokens=tokens, **more
        )

    def _agree(self, norm: float) -> None:
        """Both sides begin with the same update."""
        if "plain path" in self._norms or "visplay" not in self._norms:
            return
        self._norms["plain path"] = norm
        apart = abs(self._norms["visplay"] / norm - 1)
        of = "gradient norms of an update, relative"
        self._bench.findings.add("agreement", of=of, mean=apart, **self._norms, ok=apart <= _SAME)
