"""A tree's log-probabilities and gradients against transformers, one sequence at a time."""

from __future__ import annotations

import pytest
import torch

from visplay.models import scores as module
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import ImageRef

PROMPTS = ("What?", "What colour is it?")
COMPLETIONS = ([40, 41, 42, 43], [40, 41, 50], [60], [40, 41, 42, 43])


def _plain(vlm: VLM, image: ImageRef, prompt: str, completion: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of a completion and the entropies they came from."""
    encoded = vlm.encode(image, prompt)
    ids = torch.tensor([[*encoded.token_ids, *completion]])
    logits = vlm.model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        mm_token_type_ids=(ids == vlm.image_token_id).int(),
        **encoded.pixels,
    ).logits[0]
    start = len(encoded.token_ids)
    distribution = torch.distributions.Categorical(logits=logits[start - 1 : -1])
    return distribution.log_prob(ids[0, start:]), distribution.entropy()


def _gradients(vlm: VLM) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in vlm.model.named_parameters() if p.grad is not None}
    vlm.model.zero_grad()
    return found


@pytest.mark.parametrize("chunk_numbers", [2**24, 1000])
def test_tree_equals_separate_sequences(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch, chunk_numbers: int
) -> None:
    # The smaller chunk scores three tokens at a time and recomputes their logits for the gradient.
    monkeypatch.setattr(module, "CHUNK_NUMBERS", chunk_numbers)
    trees, pixels, starts, plain = [], [], [], []
    for image in images[:3]:
        prompts = [vlm.encode(image, prompt) for prompt in PROMPTS]
        trees.append(TokenTree.build([[*p.token_ids, *c] for p in prompts for c in COMPLETIONS]))
        pixels.append(prompts[0].pixels)
        starts.append([len(p.token_ids) for p in prompts for _ in COMPLETIONS])
        plain += [_plain(vlm, image, prompt, c) for prompt in PROMPTS for c in COMPLETIONS]
    coefficients = torch.randn(len(plain), 4, generator=torch.Generator().manual_seed(0))

    for (logprobs, _), c in zip(plain, coefficients, strict=True):
        (logprobs * c[: len(logprobs)]).sum().backward()
    expected = _gradients(vlm)
    scores = vlm.logprobs(trees, pixels, starts)
    (scores.logprobs_ST * coefficients).sum().backward()
    found = _gradients(vlm)

    for row, (logprobs, entropy) in enumerate(plain):
        size = len(logprobs)
        assert scores.mask_ST[row].tolist() == [True] * size + [False] * (4 - size)
        torch.testing.assert_close(scores.logprobs_ST[row, :size], logprobs, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(scores.entropy_ST[row, :size], entropy, rtol=1e-5, atol=1e-5)
    assert found.keys() == expected.keys() == dict(vlm.model.named_parameters()).keys()
    # A gradient that is zero but for rounding (a key's bias) is held to the size of the others.
    typical = float(torch.stack([g.norm() for g in expected.values()]).median())
    for name, gradient in expected.items():
        error = float((found[name] - gradient).norm())
        assert error <= 1e-5 * max(float(gradient.norm()), typical), f"{name}: {error}"


def test_a_prompt_token_cannot_be_scored_without_a_token_before_it(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    prompt = vlm.encode(images[0], "What?")
    with pytest.raises(ValueError, match="cannot score"):
        vlm.logprobs([TokenTree.build([prompt.token_ids])], [prompt.pixels], [[0]])
