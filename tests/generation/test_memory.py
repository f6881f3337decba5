"""A batch that does not fit is decoded in halves, with the same completions; what has no probabilities is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from visplay.errors import NotFiniteError, OutOfMemory
from visplay.generation.backends.transformers import TransformersBackend, TransformersEngine
from visplay.generation.batching import BatchLimits, SharedLimits
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.types import Completion, ImageRef, Request

PATHS = pytest.mark.parametrize("padded_because", ["", "this test wants it"])
SAMPLING = Sampling(max_tokens=8)


def _requests(images: tuple[ImageRef, ...]) -> list[Request]:
    return [Request(f"{image.id}/{q}", image, q, 5) for image in images for q in ("What?", "Where is it?")]


def _ids(found: dict[str, tuple[Completion, ...]]) -> dict[str, list[tuple[int, ...]]]:
    return {name: [c.token_ids for c in completions] for name, completions in found.items()}


class Room:
    """A device that has room for so many rows of logits at once; counts how often it had none."""

    def __init__(self, vlm: VLM, most: int, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most, self.error, self.failures = most, error, 0
        real = vlm.head.forward

        def forward(hidden: torch.Tensor) -> torch.Tensor:
            if hidden.shape[0] > self.most:
                self.failures += 1
                raise self.error
            return real(hidden)

        monkeypatch.setattr(vlm.head, "forward", forward)


@PATHS
@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("CUDA error: out of memory")]
)
def test_the_completions_are_those_of_the_whole_batch(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch, padded_because: str, error: Exception
) -> None:
    vlm.padded_because = padded_because
    requests = _requests(images[:4])
    expected = _ids(TransformersEngine(Policy(vlm), 3).generate(requests, SAMPLING))
    engine = TransformersEngine(Policy(vlm), 3)
    room = Room(vlm, 12, error, monkeypatch)
    found = engine.generate(requests, SAMPLING)
    assert _ids(found) == expected and list(found) == [request.id for request in requests]
    assert engine.shared.is_reduced and engine.limits.answers <= 12 and room.failures > 0
    before = room.failures
    engine.generate(requests, SAMPLING)
    assert room.failures == before, "the new size is remembered"


@PATHS
def test_what_cannot_be_halved_is_told(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch, padded_because: str
) -> None:
    vlm.padded_because = padded_because
    engine = TransformersEngine(Policy(vlm), 3)
    room = Room(vlm, 0, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), monkeypatch)
    with pytest.raises(OutOfMemory, match=r"in generation \(CUDA out of memory.*max_pixels"):
        engine.generate(_requests(images[:2]), SAMPLING)
    assert engine.limits.answers == 1 and room.failures <= 6


def test_both_roles_shrink_together(vlm: VLM) -> None:
    class Run:
        seed = 0

    first, second = TransformersBackend(batch=64, tokens=4096).engines(vlm, [Policy(vlm), Policy(vlm)], Run())
    assert isinstance(first, TransformersEngine) and isinstance(second, TransformersEngine)
    first.shared.halve(BatchLimits(20, 900))
    assert second.limits == BatchLimits(10, 450)
    second.shared.shrink(BatchLimits(30, 1))
    assert first.limits == BatchLimits(10, 64)


def test_limits_never_grow_and_never_reach_nothing() -> None:
    shared = SharedLimits(BatchLimits(512, 65536))
    while shared.halve(shared.limits):
        assert shared.limits.answers >= 1 and shared.limits.tokens >= 64
    assert shared.limits == BatchLimits(1, 128)


@PATHS
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("sampling", [SAMPLING, Sampling(temperature=0, max_tokens=8), Sampling(top_p=0.9, top_k=5)])
def test_logits_that_are_not_finite_are_told_at_the_first_token(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch, padded_because: str, bad: float,
    sampling: Sampling,
) -> None:  # fmt: skip
    vlm.padded_because = padded_because
    calls, real = [], vlm.head.forward

    def forward(hidden: torch.Tensor) -> Any:
        calls.append(hidden)
        logits = real(hidden)
        logits[..., 7] = bad
        return logits

    monkeypatch.setattr(vlm.head, "forward", forward)
    with pytest.raises(NotFiniteError, match="the logits of the reasoner"):
        TransformersEngine(Policy(vlm, "reasoner"), 3).generate(_requests(images[:2]), sampling)
    assert len(calls) == 1


@PATHS
def test_a_weight_that_is_not_finite_is_told(vlm: VLM, images: tuple[ImageRef, ...], padded_because: str) -> None:
    vlm.padded_because = padded_because
    weights = [p for name, p in vlm.model.named_parameters() if "mlp" in name and "visual" not in name]
    weights[0].data[0, 0] = float("nan")
    with pytest.raises(NotFiniteError, match="logits"):
        TransformersEngine(Policy(vlm), 3).generate(_requests(images[:2]), SAMPLING)
