"""Token trees of every family against transformers, one sequence at a time: scores, gradients, rollout.

If trees are not valid, the padded path must agree in the same way.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.parity.families import FAMILIES, PADDED, TEXT_IDS, Tiny, plain
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.image_cache import ImageCache, Pixels
from visplay.models.policy import Policy
from visplay.models.probe import probe
from visplay.models.token_tree import TokenTree
from visplay.models.tree_model import TreeModel
from visplay.models.vlm import EncodedPrompt
from visplay.types import ImageRef, Request

PROMPTS = ([30], [30, 31, 32])
COMPLETIONS = ([40, 41, 42, 43], [40, 41, 50], [60], [40, 41, 42, 43])


class TinyVLM(TreeModel):
    """A family's model where an engine wants a VLM; prompts are letters, one token each."""

    def __init__(self, tiny: Tiny) -> None:
        super().__init__(tiny.model, 0, ImageCache(None))
        self.tiny = tiny
        self.eos_ids = (7,)
        self.placeholder_ids = tuple(range(TEXT_IDS, tiny.model.get_output_embeddings().out_features))
        self.max_new_tokens = 16
        self._seen_pixels: dict[str, Pixels] = {}

    def encode(self, image: ImageRef, prompt: str) -> EncodedPrompt:
        pixels = self._seen_pixels.setdefault(image.id, Pixels(self.tiny.pixels(len(image.id))))
        return EncodedPrompt((5, *self.tiny.image_ids, *map(ord, prompt)), pixels)

    def completion_text(self, ids: tuple[int, ...]) -> str:
        return " ".join(map(str, ids))


@pytest.fixture(params=FAMILIES)
def tiny(request: pytest.FixtureRequest) -> Tiny:
    return FAMILIES[request.param]()


def _engine(vlm: TinyVLM, batch: int = 512) -> TransformersEngine:
    policy: Any = Policy(vlm)  # type: ignore[arg-type]
    return TransformersEngine(policy, seed=1, batch=batch)


def _requests(n: int) -> list[Request]:
    images = [ImageRef(name, b"") for name in ("a", "bb", "ccc")]
    return [Request(f"{p.id}/{prompt}", p, prompt, n) for p in images for prompt in ("?", "what?", "why not?")]


def _gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def test_log_probabilities_and_gradients_equal_separate_sequences(tiny: Tiny) -> None:
    network = TreeModel(tiny.model, 0, ImageCache(None))
    assert bool(network.padded_because) == (tiny.name in PADDED)
    images = [Pixels(tiny.pixels(seed)) for seed in range(3)]
    trees, starts, rows = [], [], []
    for number, pixels in enumerate(images):
        # Trees of different sizes, so that some are padded.
        prompts = [[5, 6 + number, *tiny.image_ids, *p] for p in PROMPTS[: 1 + number % 2]]
        trees.append(TokenTree.build([[*p, *c] for p in prompts for c in COMPLETIONS]))
        starts.append([len(p) for p in prompts for _ in COMPLETIONS])
        rows += [(pixels, p, c) for p in prompts for c in COMPLETIONS]
    coefficients = torch.randn(len(rows), 4, generator=torch.Generator().manual_seed(0))

    expected = []
    for (pixels, prompt, completion), c in zip(rows, coefficients, strict=True):
        logits = plain(tiny, pixels, [*prompt, *completion])[len(prompt) - 1 : -1]
        expected.append(logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0])
        (expected[-1] * c[: len(completion)]).sum().backward()
    expected_gradients = _gradients(tiny.model)
    scores = network.logprobs(trees, images, starts)
    (scores.logprobs_ST * coefficients).sum().backward()
    gradients = _gradients(tiny.model)

    for row, one in enumerate(expected):
        torch.testing.assert_close(scores.logprobs_ST[row, : len(one)], one, rtol=1e-5, atol=1e-5)
    # Two first tokens after each of four prompts.
    assert len({round(float(one.detach()[0]), 3) for one in expected}) == 8
    assert gradients.keys() == expected_gradients.keys()
    # A gradient that is zero but for rounding (a key's bias) is held to the size of the others.
    typical = float(torch.stack([g.norm() for g in expected_gradients.values()]).median())
    for name, gradient in expected_gradients.items():
        error = float((gradients[name] - gradient).norm())
        assert error <= 1e-5 * max(float(gradient.norm()), typical), f"{name}: {error}"


def test_a_wrong_image_changes_what_is_said(tiny: Tiny) -> None:
    network = TreeModel(tiny.model, 0, ImageCache(None))
    tree = TokenTree.build([[5, *tiny.image_ids, 30, 40, 41]])
    said = [network.logprobs([tree], [Pixels(tiny.pixels(seed))], [[len(tree) - 2]]).logprobs_ST for seed in (0, 1)]
    assert float((said[0] - said[1]).abs().max().detach()) > 1e-2


@torch.no_grad()
def test_recorded_log_probabilities_equal_a_plain_forward(tiny: Tiny) -> None:
    vlm = TinyVLM(tiny)
    # Log-probabilities are those at the temperature of sampling, before the cut.
    found = _engine(vlm, batch=20).generate(_requests(4), Sampling(temperature=1.3, top_k=40, max_tokens=10))
    assert len({c.text for completions in found.values() for c in completions}) > 30
    for request in _requests(4):
        encoded = vlm.encode(request.image, request.prompt)
        for completion in found[request.id]:
            logits = plain(tiny, encoded.pixels, [*encoded.token_ids, *completion.token_ids])
            chosen = (logits / 1.3).log_softmax(-1)[len(encoded.token_ids) - 1 : -1]
            expected = chosen.gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_greedy_tokens_equal_generate(tiny: Tiny) -> None:
    vlm = TinyVLM(tiny)
    found = _engine(vlm).generate(_requests(1), Sampling(temperature=0, max_tokens=12))
    for request in _requests(1):
        encoded = vlm.encode(request.image, request.prompt)
        ids = torch.tensor([encoded.token_ids])
        types = {tiny.types: (ids == tiny.image_token_id).int()} if tiny.types else {}
        expected = tiny.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=12,
            eos_token_id=7,
            pad_token_id=0,
            suppress_tokens=list(vlm.placeholder_ids),
            **types,
            **encoded.pixels,
        )[0, ids.shape[1] :]
        assert found[request.id][0].token_ids == tuple(expected.tolist())


@pytest.mark.parametrize("tiny", [name for name in FAMILIES if name != "gemma4"], indirect=True)
def test_the_probe_agrees(tiny: Tiny) -> None:
    """Also with a tree forced upon a family that it is not valid for: the numbers say so.

    Gemma 4 would not even run, because its layers differ in the size of their heads.
    """
    vlm: Any = TinyVLM(tiny)
    vlm.padded_because = ""
    found = probe(vlm)
    assert found.difference is not None
    assert bool(found.padded_because) == (tiny.name in PADDED), str(found)
