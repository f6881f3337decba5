"""The part `same`: token trees have the log-probabilities, gradients and answers of separate sequences.

The same weights compute in float32, whose separate sequences are the yardstick, and in bfloat16. A tree that is broken
on purpose must be found to differ, or the comparison would prove nothing.

Shapes: N scored tokens, L nodes of a tree, T tokens of a sequence, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from benchmarks import shapes
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.inputs import requests
from benchmarks.gpu.models import make_vlm
from benchmarks.gpu.peer import PLAIN
from benchmarks.gpu.switches import DENSE, FLEX, attention, replaced
from visplay.generation.backends.transformers import TransformersEngine
from visplay.generation.logprob_check import GeneratedSample, check_logprobs
from visplay.interfaces.engine import Sampling
from visplay.models.attention import TREE_ATTENTION, flex_runs
from visplay.models.image_cache import Pixels
from visplay.models.policy import Policy
from visplay.models.probe import probe
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM

_IMAGES, _ANSWERS = 2, 5
_FLOAT32 = 1e-4  # nats that rounding explains in float32
_TWICE = 2.0  # a tree in bfloat16 may be so many times as far from float32 as separate sequences are
_LARGEST = 0.1  # nats that rounding explains in bfloat16, as in the probe
_FAR = 3.0  # a broken tree must be so many times as far off as a right one


def run(bench: Bench) -> None:
    """Compare in both types, then the probe's finding and what it leaves behind."""
    image_tokens = bench.pick(256, 16)
    vlm = make_vlm(bench, "3b, 4 layers", torch.float32, image_tokens)
    for parameter in vlm.model.parameters():  # values that both types have
        parameter.copy_(parameter.bfloat16())
    low = make_vlm(bench, "3b, 4 layers", torch.bfloat16, image_tokens)
    low.model.load_state_dict(vlm.model.state_dict())
    sample = _sample(bench, image_tokens)
    truth = _separate(vlm, sample)
    sides = [_Side.of(bench, model, sample, truth) for model in (vlm, low)]
    for side in sides:
        with bench.attempt(f"tree, {side.name}, {DENSE}"):
            _compare(bench, side, sample, truth, DENSE)
    for side in sides:
        with bench.attempt(f"answers, {side.name}"):
            _answers(bench, side, image_tokens)
    with bench.attempt("probe"):
        _probe(bench, low)
    if bench.has_gpu(FLEX):
        for side in reversed(sides):  # compiling takes long, and a run computes in bfloat16
            with bench.attempt(f"tree, {side.name}, {FLEX}"):
                _compare(bench, side, sample, truth, FLEX)


@dataclass(frozen=True)
class _Sample:
    """Sequences on images, the first scored token of each, and what a broken tree is made with."""

    prompts: list[tuple[str, str]]
    image_tokens: int
    answers: list[list[tuple[int, ...]]]
    broken: bool = False

    def trees(self, vlm: VLM) -> tuple[list[TokenTree], list[Pixels], list[list[int]]]:
        """Arguments of `VLM.logprobs`."""
        trees, pixels, starts = [], [], []
        for number, ((name, text), answers) in enumerate(zip(self.prompts, self.answers, strict=True)):
            prompt = vlm.encode(shapes.noise(name, self.image_tokens, number), text)
            tree = TokenTree.build([(*prompt.token_ids, *answer) for answer in answers])
            kind = _SeesAll if self.broken else TokenTree
            trees.append(kind(tree.ids_L, tree.parent_L, tree.depth_L, tree.paths))
            pixels.append(prompt.pixels)
            starts.append([len(prompt.token_ids)] * len(answers))
        return trees, pixels, starts


class _SeesAll(TokenTree):
    """A tree that is broken on purpose: its tokens see all earlier ones, also those of other answers."""

    __slots__ = ()

    def ends_L(self) -> np.ndarray:
        return np.full(len(self), len(self))


@dataclass(frozen=True)
class _Found:
    """Log-probabilities of all scored tokens, and the gradient of a sum of them by weights of the first layer."""

    logprobs_N: Tensor
    gradient: Tensor

    def difference(self, other: _Found) -> dict[str, float]:
        """Mean and largest difference in nats, and that of the gradients relative to the other's norm."""
        gap_N = (self.logprobs_N - other.logprobs_N).abs()
        apart = (self.gradient - other.gradient).norm() / other.gradient.norm()
        return {"mean": float(gap_N.mean()), "most": float(gap_N.max()), "gradient": float(apart)}


def _sample(bench: Bench, image_tokens: int) -> _Sample:
    rng = np.random.default_rng(3)
    length = bench.pick(60, 6)
    answers = []
    for _ in range(_IMAGES):
        begun = shapes.random_tokens(7, rng)
        lengths = [length + 5 * number for number in range(_ANSWERS)]
        answers.append([(*begun * (i % 2), *shapes.random_tokens(n, rng)) for i, n in enumerate(lengths)])
    prompts = [(f"same-{number}", f"What is this, and why? ({number})") for number in range(_IMAGES)]
    return _Sample(prompts, image_tokens, answers)


@dataclass(frozen=True)
class _Side:
    """A model of one type, with its padded rows and the difference to float32 that rounding explains."""

    vlm: VLM
    name: str
    rows: _Found
    most: float

    @classmethod
    def of(cls, bench: Bench, vlm: VLM, sample: _Sample, truth: _Found) -> _Side:
        name = str(vlm.model.dtype).removeprefix("torch.")
        rows = _score(vlm, sample, padded=True)
        most = _FLOAT32 if name == "float32" else _TWICE * _separate(vlm, sample).difference(truth)["mean"]
        found = rows.difference(truth)
        bench.findings.add("agreement", of="padded rows and float32", dtype=name, **found, ok=found["mean"] <= most)
        return cls(vlm, name, rows, most)


def _compare(bench: Bench, side: _Side, sample: _Sample, truth: _Found, how: str) -> None:
    """Trees against separate sequences in float32 and against padded rows in the same type, and a broken tree."""
    with attention(how):
        tree = _score(side.vlm, sample)
        broken = _score(side.vlm, replace(sample, broken=True)).difference(truth)
    found, near = tree.difference(truth), tree.difference(side.rows)
    far = _FAR * max(found["mean"], side.most)
    for of, differences, ok in (
        ("tree and float32", found, found["mean"] <= side.most),
        ("tree and padded rows", near, near["mean"] <= 2 * side.most),  # each is that far from float32
        ("broken tree and float32", broken, broken["mean"] > far),
    ):
        bench.findings.add("agreement", of=of, dtype=side.name, attention=how, **differences, ok=ok)


def _score(vlm: VLM, sample: _Sample, padded: bool = False) -> _Found:
    """visplay's log-probabilities."""
    with _trained_weight(vlm) as weight:
        scores = vlm.logprobs(*sample.trees(vlm), padded=padded)
        return _found(scores.logprobs_ST[scores.mask_ST], weight)


def _separate(vlm: VLM, sample: _Sample) -> _Found:
    """transformers' own, one sequence at a time."""
    vlm.model.set_attn_implementation({"text_config": PLAIN})
    logprobs = []
    with _trained_weight(vlm) as weight:
        for tree, pixels, starts in zip(*sample.trees(vlm), strict=True):
            on_device = {name: tensor.to(vlm.device) for name, tensor in pixels.items()}
            for path, start in zip(tree.paths, starts, strict=True):
                ids_1T = torch.from_numpy(tree.ids_L[path])[None].to(vlm.device)
                types = vlm.token_types(ids_1T)
                logits_1TV = vlm.model(input_ids=ids_1T, use_cache=False, **types, **on_device).logits
                logprobs_TV = logits_1TV[0, start - 1 : -1].float().log_softmax(-1)
                logprobs.append(logprobs_TV.gather(1, ids_1T[0, start:, None])[:, 0])
        found = _found(torch.cat(logprobs), weight)
    vlm.model.set_attn_implementation({"text_config": TREE_ATTENTION})
    return found


def _trained_weight(vlm: VLM) -> _Trained:
    return _Trained(vlm.model.base_model.language_model.layers[0].self_attn.v_proj.weight)


class _Trained:
    """Context manager: a weight that has a gradient."""

    def __init__(self, weight: torch.nn.Parameter) -> None:
        self._weight = weight

    def __enter__(self) -> torch.nn.Parameter:
        self._weight.requires_grad_(True)
        return self._weight

    def __exit__(self, *_: object) -> None:
        self._weight.requires_grad_(False)


def _found(logprobs_N: Tensor, weight: torch.nn.Parameter) -> _Found:
    coefficients_N = torch.linspace(-1, 1, len(logprobs_N), device=logprobs_N.device)
    (gradient,) = torch.autograd.grad((logprobs_N * coefficients_N).sum(), weight)
    return _Found(logprobs_N.detach().double(), gradient.double())


def _answers(bench: Bench, side: _Side, image_tokens: int) -> None:
    """The engine's answers by trees, against those by padded rows and against the trainer's log-probabilities."""
    asked = requests("answers", image_tokens, 1, 3, 3)
    asked[0] = replace(asked[0], greedy=True)
    vlm, policy = side.vlm, Policy(side.vlm)
    engine = TransformersEngine(policy, seed=0)
    sampling = Sampling(max_tokens=bench.pick(24, 5))
    trees = engine.generate(asked, sampling)
    with replaced(vlm, "padded_because", "the benchmark compares both"):
        rows = engine.generate(asked, sampling)
    pairs = [
        (a, b)
        for r in asked
        for one, other in zip(trees[r.id], rows[r.id], strict=True)
        for a, b in zip(one.token_ids, other.token_ids, strict=False)
    ]
    bench.findings.add("answers", dtype=side.name, equal_tokens=sum(a == b for a, b in pairs), of=len(pairs))
    samples = [
        GeneratedSample(r, vlm.encode(r.image, r.prompt).token_ids, completion)
        for r in asked
        for completion in trees[r.id]
    ]
    difference = check_logprobs(policy, samples, tolerance=float("inf"))
    most = _FLOAT32 if side.name == "float32" else _LARGEST
    of = "engine and trainer"
    bench.findings.add("agreement", of=of, dtype=side.name, mean=difference, ok=difference <= most)


def _probe(bench: Bench, vlm: VLM) -> None:
    """What a run prints before it begins, and whether FlexAttention is in use then."""
    flex_runs.cache_clear()
    bench.findings.add("probe", says=str(probe(vlm)))
    text = vlm.model.config.text_config
    head_size = text.hidden_size // text.num_attention_heads
    asked = (vlm.device, vlm.model.dtype, text.num_attention_heads, text.num_key_value_heads, head_size)
    after = flex_runs(*asked)
    flex_runs.cache_clear()
    bench.findings.add("FlexAttention in use", after_the_probe=after, with_gradients_on=flex_runs(*asked))
