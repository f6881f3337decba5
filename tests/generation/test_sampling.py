"""Draws must follow the distribution they claim, cut where transformers cuts it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from transformers.generation.logits_process import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from visplay.generation.sampling import draw, request_seed, uniforms
from visplay.interfaces.engine import Sampling

NONE = torch.tensor([], dtype=torch.int64)


def _logits(rows: int = 1, vocabulary: int = 30) -> torch.Tensor:
    return 2 * torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.5),
        Sampling(top_k=5),
        Sampling(top_p=0.8),
        Sampling(temperature=2.0, top_k=12, top_p=0.7),
    ],
)
def test_an_even_grid_of_uniforms_gives_the_distribution_of_transformers(sampling: Sampling) -> None:
    logits = _logits()
    warpers = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature)])
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    expected = warpers(None, logits).softmax(-1)[0].double()
    count = 20_000
    grid = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    tokens, logprobs = draw(logits.expand(count, -1), grid, sampling, NONE)
    shares = torch.bincount(tokens, minlength=30) / count
    # Inversion of a grid errs by at most one grid step a token.
    assert float((shares - expected).abs().max()) <= 1.01 / count + 1e-6
    torch.testing.assert_close(logprobs, logits[0].log_softmax(-1)[tokens])


def test_greedy_takes_the_most_probable_allowed_token() -> None:
    logits = _logits(50)
    best = int(logits[0].argmax())
    tokens, logprobs = draw(logits, torch.zeros(50), Sampling(temperature=0), torch.tensor([best]))
    rest = logits.clone()
    rest[:, best] = -torch.inf
    assert torch.equal(tokens, rest.argmax(-1))
    torch.testing.assert_close(logprobs, logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0])


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_ends_of_the_interval_never_give_a_token_of_no_weight(uniform: float) -> None:
    logits = torch.full((1, 40), -torch.inf)
    logits[0, 7:33] = _logits()[0, :26]
    tokens, logprobs = draw(logits, torch.tensor([uniform], dtype=torch.float64), Sampling(), NONE)
    assert tokens.item() == (7 if uniform == 0 else 32) and torch.isfinite(logprobs).all()


def test_streams_are_named_prefixes_of_uniform_numbers() -> None:
    assert np.array_equal(uniforms(1, "a", 2, 20)[:5], uniforms(1, "a", 2, 5))
    names = [(seed, name, index) for seed in (0, 1) for name in ("a", "b", "1/a") for index in (0, 1)]
    assert len({uniforms(*name, 1)[0] for name in names}) == len(names)
    pooled = np.concatenate([uniforms(0, f"request-{i}", 0, 4) for i in range(2000)])
    assert kstest(pooled, "uniform").pvalue > 1e-3
    assert chisquare(np.histogram(uniforms(0, "r", 0, 8000), bins=20, range=(0, 1))[0]).pvalue > 1e-3


@given(st.integers(0, 2**31 - 1), st.text(), st.sampled_from([31, 62, 64]))
def test_a_seed_has_as_many_bits_as_an_engine_takes(seed: int, request_id: str, bits: int) -> None:
    found = request_seed(seed, request_id, bits)
    assert 0 <= found < 2**bits and found == request_seed(seed, request_id, 64) >> (64 - bits)


def test_seeds_tell_runs_and_requests_apart() -> None:
    seeds = {request_seed(seed, f"{request}", 31) for seed in range(20) for request in range(20)}
    assert len(seeds) == 400
