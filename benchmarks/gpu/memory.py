"""The parts `memory3b` and `memory7b`: peaks of memory against what `visplay plan` says for a recipe.

The plan is asked for the images, prompts and lengths that are measured. On a CPU everything runs, but memory is not
measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from transformers import AutoConfig

from benchmarks.gpu import inputs
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.models import make_vlm
from benchmarks.gpu.switches import replaced
from benchmarks.gpu.update import adapted
from benchmarks.gpu.windows import joined_windows
from visplay.config import load_settings
from visplay.generation.backends.transformers import TransformersEngine
from visplay.models.policy import role_of
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.rl.trainer import Trainer
from visplay.tools.plan.plan import Plan, read_bytes
from visplay.tools.plan.workload import Assumed, Batch, Generation
from visplay.types import Group

_GROUP = 8  # completions


def run(bench: Bench, size: str, recipe: str, memory: str, image_tokens: int) -> None:
    """Measure weights, an update with a full micro-batch, and the two largest rollouts."""
    bench.has_gpu("peaks of memory")
    against = _AgainstPlan(bench, size, recipe, memory, bench.pick(image_tokens, 16))
    against.weights()
    with bench.attempt("update"):
        against.update()
    for generation, batch in against.largest_rollouts(2):
        with bench.attempt(f"rollout: {generation.name}"):
            against.rollout(generation, batch)


class _AgainstPlan:
    """A model with both roles, and its plan."""

    def __init__(self, bench: Bench, size: str, recipe: str, memory: str, image_tokens: int) -> None:
        self._bench, self._image_tokens = bench, image_tokens
        self._vlm = make_vlm(bench, size, torch.bfloat16, image_tokens)
        values = {"model": self._vlm.name, "device": bench.device.torch.type}
        changes = [
            "engine.batch=16",
            "engine.tokens=512",
            "rl.micro_batch_tokens=256",
            "reasoner.sampling.max_tokens=8",
        ]
        self._settings = load_settings(recipe, bench.pick([], changes), values)
        self._plan = Plan(
            self._vlm.name,
            AutoConfig.from_pretrained(self._vlm.name),
            self._settings,
            read_bytes(memory),
            images=self._settings.silver.images,
            assumed=Assumed(image_tokens, image_tokens),
        )
        plan = {"rollout": self._plan.rollout_bytes, "update": self._plan.update_bytes, "free": self._plan.free}
        bench.findings.add("plan", recipe=recipe, memory=memory, micro_batch=self._plan.micro_batch, **plan)
        self._policies = [role_of(self._vlm, role, self._settings) for role in ("questioner", "reasoner")]
        adapted(self._policies[1])

    def weights(self) -> None:
        """The base with both roles."""
        model = self._plan.model
        self._memory("weights and adapters", model.base + model.roles, self._bench.device.held())

    def largest_rollouts(self, count: int) -> list[tuple[Generation, Batch]]:
        """Those that take most, of different shapes."""
        ordered = sorted(self._plan.rollouts, key=lambda rollout: rollout[2].total, reverse=True)
        by_shape: dict[int, tuple[Generation, Batch]] = {}
        for generation, batch, _ in ordered:
            by_shape.setdefault(batch.shared, (generation, batch))
        return list(by_shape.values())[:count]

    def rollout(self, generation: Generation, batch: Batch) -> None:
        """Prefill and decoding of a batch, with answers of at most 130 tokens."""
        limit = min(self._bench.pick(130, 4), generation.limit)
        votes = -(-batch.answers // generation.prompts)
        asked = inputs.requests(generation.name, self._image_tokens, batch.trees, generation.prompts, votes)
        encoded = [self._vlm.encode(request.image, request.prompt) for request in asked]
        tree = TokenTree.build([prompt.token_ids for prompt in encoded[: generation.prompts]])
        short = replace(generation, sampling=generation.sampling.model_copy(update={"max_tokens": limit}))
        real = Batch(batch.trees, votes * generation.prompts, len(tree))
        planned = self._plan.model.rollout_peak(short, real)
        engine = TransformersEngine(self._policies[1], 0, batch=real.all_answers, tokens=2**24)
        with joined_windows(self._vlm.model):
            self._vlm.features([prompt.pixels for prompt in encoded])
        del encoded
        standing = self._standing()
        with _peak_before_decoding(self._bench, self._vlm) as peaks:
            engine.generate(asked, short.sampling)
        if not peaks:  # the answers have a single token
            peaks.append(self._bench.device.peak())
        about: dict[str, Any] = {"trees": real.trees, "answers": real.answers, "shared": real.shared, "limit": limit}
        self._memory(f"prefill: {generation.name}", planned.prefill, peaks[0] - standing, **about)
        decoding = self._bench.device.peak() - standing
        self._memory(f"decoding: {generation.name}", planned.cache + planned.step, decoding, **about)

    def update(self) -> None:
        """One micro-batch that is as full as the recipe allows, in trees of a group each."""
        trainers = [Trainer(policy, self._settings.rl) for policy in self._policies]
        for trainer in trainers:  # both optimizers have their states then
            trainer.step([inputs.group("small", 0, self._image_tokens, 2, 8)])
        groups, tokens = self._full_micro_batch()
        prompts = [self._vlm.encode(group.request.image, group.request.prompt) for group in groups]
        with joined_windows(self._vlm.model):
            self._vlm.features([prompt.pixels for prompt in prompts])
        standing = self._standing()
        trainers[1].step(groups)
        model, peak = self._plan.model, self._bench.device.peak()
        planned = max(model.activations(tokens, tokens // len(groups)), model.step) + model.gradients
        about = {"tokens": tokens, "trees": len(groups), "standing": standing}
        self._memory("gradients and activations", planned, peak - standing, **about)
        self._memory("standing", model.base + model.roles + self._plan.states, standing)

    def _full_micro_batch(self) -> tuple[list[Group], int]:
        """Groups of equal size, and their tokens."""
        limit = self._settings.rl.micro_batch_tokens
        small = inputs.group("full", 0, self._image_tokens, _GROUP, 8)
        prompt = len(self._vlm.encode(small.request.image, small.request.prompt).token_ids)
        count = max(1, limit // (2 * prompt))
        length = max(1, (limit // count - prompt) // _GROUP)
        groups = [inputs.group("full", 1 + i, self._image_tokens, _GROUP, length) for i in range(count)]
        return groups, count * (prompt + _GROUP * length)

    def _standing(self) -> int:
        """Bytes that are held, from which the peak begins."""
        self._bench.device.free()
        self._bench.device.restart_peak()
        return self._bench.device.held()

    def _memory(self, of: str, planned: float, measured: float, **more: Any) -> None:
        if self._bench.device.is_gpu:
            self._bench.findings.memory(of, planned, measured, **more)


@contextmanager
def _peak_before_decoding(bench: Bench, vlm: VLM) -> Iterator[list[int]]:
    """Context manager: receives the peak of the prefill when the first token is appended, and starts the peak anew."""
    peaks: list[int] = []
    extend = vlm.extend

    def noted(*arguments: Any) -> torch.Tensor:
        if not peaks:
            peaks.append(bench.device.peak())
            bench.device.restart_peak()
        return extend(*arguments)

    with replaced(vlm, "extend", noted):
        yield peaks
