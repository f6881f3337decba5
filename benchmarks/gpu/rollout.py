"""The part `rollout3b`: the vision tower, and votes on questions, against transformers' `generate` and the floor.

A rollout is timed with 3 tokens an answer and with many. The difference is the time of decoding steps, and the rest is
that of the prefill. Both sides prepare images and tokenise prompts beforehand, and run the vision tower each time.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import torch

from benchmarks import shapes
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.ceilings import ceilings
from benchmarks.gpu.floors import Floors
from benchmarks.gpu.inputs import requests
from benchmarks.gpu.models import make_vlm
from benchmarks.gpu.peer import PLAIN, generate
from benchmarks.gpu.update import adapted
from benchmarks.gpu.windows import joined_windows
from visplay.config import LoraSettings
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.attention import TREE_ATTENTION
from visplay.models.policy import Policy, new_policy
from visplay.models.token_tree import TokenTree
from visplay.types import Request

_FEW = 3  # tokens an answer of the shorter rollout
_ALL, _NUCLEUS = Sampling(), Sampling(top_p=0.9)
_WHOLE = "whole vocabulary"


def run(bench: Bench) -> None:
    """Time the tower, then visplay's rollouts without and with adapters, then transformers'."""
    rollouts = _Rollouts(bench)
    many = bench.pick(8, 2)
    with bench.attempt("vision tower"):
        rollouts.tower()
    with bench.attempt("rollout without adapters"):
        rollouts.visplay(1, _ALL)
        rollouts.count_kernels()
    rollouts.add_adapters()
    with bench.attempt("rollout"):
        rollouts.visplay(1, _ALL)
    with bench.attempt("rollout by generate"):
        rollouts.generate()
    for sampling in (_ALL, _NUCLEUS):
        with bench.attempt(f"rollout on {many} images"):
            rollouts.visplay(many, sampling)
    with bench.attempt("kernels of a step"):
        rollouts.count_kernels()


class _Rollouts:
    """The contenders, which share a model."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._image_tokens, self._questions, self._votes, self._length = bench.pick((1024, 8, 10, 48), (64, 2, 3, 5))
        self._vlm = make_vlm(bench, bench.size or "3b", torch.bfloat16, self._image_tokens)
        self._floors = Floors.of(self._vlm, self._image_tokens, ceilings(bench))
        self._policy, self._weights = Policy(self._vlm), "no adapters"

    def add_adapters(self) -> None:
        """Sample from a role with adapters from now on."""
        self._policy, self._weights = new_policy(self._vlm, "reasoner", "lora", LoraSettings()), "adapters"
        adapted(self._policy)

    def tower(self) -> None:
        """An image in the vision tower, with a call of attention for each window and with one for all."""
        prompts = [self._vlm.encode(shapes.noise(f"tower-{i}", self._image_tokens, i), "?") for i in range(4)]
        found = []
        for how, joined in (("a call for each window", False), ("windows in one call", True)):

            def see() -> None:
                for prompt in prompts:
                    prompt.pixels.features = None
                self._vlm.features([prompt.pixels for prompt in prompts])

            with joined_windows(self._vlm.model, joined):
                rounds = [seconds / len(prompts) for seconds in self._bench.device.seconds(see, 2)]
            case = f"{self._image_tokens} tokens"
            self._bench.findings.time("vision tower", case, "visplay", how, rounds, floor_s=self._floors.tower_s())
            found.append(torch.cat([p.pixels.features.pooled.float() for p in prompts if p.pixels.features]))
        apart = float((found[1] - found[0]).norm() / found[0].norm())
        self._bench.findings.add("agreement", of="windows in one call, relative", mean=apart, ok=apart < 0.02)

    def visplay(self, images: int, sampling: Sampling) -> None:
        """visplay's engine."""
        asked = self._asked(f"{images}-{sampling.top_p}-{self._weights}", images)
        pixels = [self._vlm.encode(request.image, request.prompt).pixels for request in asked]
        engine = TransformersEngine(self._policy, 0, batch=len(asked) * self._votes, tokens=2**20)

        def rollout(length: int) -> None:
            for of_image in pixels:
                of_image.features = None
            engine.generate(asked, sampling.model_copy(update={"max_tokens": length}))

        how = f"top_p {sampling.top_p}" if sampling.top_p < 1 else _WHOLE
        with joined_windows(self._vlm.model):
            self._measure("visplay", how, images, asked, rollout)

    def generate(self) -> None:
        """transformers' `generate`, from the same weights."""
        asked = self._asked("generate", 1)
        self._vlm.model.set_attn_implementation({"text_config": PLAIN})
        with self._policy.active() as vlm, joined_windows(vlm.model):
            rollout = generate(vlm, asked, self._bench.device)
            self._measure("transformers generate", _WHOLE, 1, asked, rollout)
        self._vlm.model.set_attn_implementation({"text_config": TREE_ATTENTION})

    def count_kernels(self) -> None:
        """Kernels of a decoding step, and the seconds that they take; for the rest of a step the GPU waits."""
        if not self._bench.has_gpu("kernels of a step"):
            return
        asked = self._asked(f"kernels-{self._weights}", 1)
        engine = TransformersEngine(self._policy, 0)
        counts = []
        for length in (_FEW, _FEW, 2 * _FEW):  # the first round chooses kernels
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
                engine.generate(asked, Sampling(max_tokens=length))
                self._bench.device.synchronize()
            events = [event for event in profile.key_averages() if "CUDA" in str(event.device_type)]
            counts.append((sum(e.count for e in events), sum(e.self_device_time_total for e in events)))
        (few, short), (more, long) = counts[1:]
        a_step = {"kernels": (more - few) / _FEW, "busy_s": (long - short) / _FEW / 1e6}
        self._bench.findings.add("kernels of a step", how=self._weights, **a_step)

    def _asked(self, tag: str, images: int) -> list[Request]:
        return requests(tag, self._image_tokens, images, self._questions, self._votes)

    def _measure(self, who: str, how: str, images: int, asked: list[Request], rollout: Callable[[int], object]) -> None:
        """Time rollouts of both lengths.

        Args:
            rollout: generates so many tokens an answer.
        """
        device, answers = self._bench.device, len(asked) * self._votes
        device.restart_peak()
        short = median(device.seconds(lambda: rollout(_FEW), 1))
        rounds = device.seconds(lambda: rollout(self._length), 1, 0)
        step_s = (median(rounds) - short) / (self._length - _FEW)
        of_one_image = asked[: self._questions]
        tree = TokenTree.build([self._vlm.encode(r.image, r.prompt).token_ids for r in of_one_image])
        prompts = len(tree) - self._image_tokens
        floor_s = self._floors.rollout_s(images, prompts, answers, self._length) + images * self._floors.tower_s()
        more = {"step_s": step_s, "prefill_s": short - _FEW * step_s, "peak_bytes": device.peak()}
        case = f"{answers} answers on {images} image{'s' * (images > 1)}, {self._weights}"
        tokens = answers * self._length
        self._bench.findings.time("rollout", case, who, how, rounds, floor_s=floor_s, tokens=tokens, **more)
