"""What is decoded at once is bounded, on both paths, and the bounds leave no trace in what is said."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visplay.generation.backends.transformers import TransformersEngine
from visplay.generation.batching import BatchLimits, ItemSize, make_batches
from visplay.interfaces.engine import Sampling
from visplay.lab.drawings import drawings
from visplay.models import image_cache as prepared
from visplay.models.image_cache import ImageCache
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.roles.prompts import load_prompts
from visplay.types import ImageRef, Request

LAB = Path(str(resources.files("visplay") / "lab" / "model"))
PATHS = pytest.mark.parametrize("padded_because", ["", "this test wants it"])
QUESTIONS = ("What?", "What colour is it?", "How many are there, and where are they?")

sizes = st.lists(st.builds(ItemSize, st.integers(1, 8), st.integers(1, 300), st.sampled_from("ab")), max_size=40)
bounds = st.builds(BatchLimits, st.integers(8, 40), st.integers(1, 2000))


def _within(batch: Sequence[ItemSize], most: BatchLimits) -> bool:
    widest, longest = max(size.answers for size in batch), max(size.tokens for size in batch)
    return len(batch) * widest <= most.answers and len(batch) * longest <= most.tokens


@given(sizes, bounds)
def test_all_is_decoded_once_within_the_bounds_or_alone(things: list[ItemSize], most: BatchLimits) -> None:
    numbered = list(enumerate(things))
    batches = list(make_batches(numbered, lambda thing: thing[1], most))
    assert sorted(thing for batch in batches for thing in batch) == numbered
    assert all(len(batch) == 1 or _within([size for _, size in batch], most) for batch in batches)
    assert all(len({size.kind for _, size in batch}) == 1 for batch in batches)
    for kind in "ab":
        of_kind = [[thing for thing in batch if thing[1].kind == kind] for batch in batches]
        order = [thing for batch in of_kind for thing in batch]
        assert order == sorted(order), "things of a kind keep their order"
        full = [batch for batch in of_kind if batch]
        for batch, after in pairwise(full):
            assert not _within([size for _, size in (*batch, after[0])], most), "a batch is as large as it may be"


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 64))
def test_tokens_that_are_few_enough_do_not_change_a_cut(answers: list[int], rows: int) -> None:
    widths = sorted((min(n, rows) for n in answers), reverse=True)
    expected, start = [], 0
    while start < len(widths):
        size = rows // widths[start]
        expected.append(widths[start : start + size])
        start += size
    assert list(make_batches(widths, lambda width: ItemSize(width, 80), BatchLimits(rows, 80 * rows))) == expected


@contextmanager
def _passes(vlm: VLM) -> Iterator[list[tuple[int, ...]]]:
    """Shapes (rows, tokens) of the passes that compute images and prompts."""
    seen: list[tuple[int, ...]] = []

    def note(_: Any, __: Any, given: dict[str, Any]) -> None:
        if (given["input_ids"] == vlm.image_token_id).any():
            seen.append(tuple(given["input_ids"].shape))

    hook = vlm.model.base_model.register_forward_pre_hook(note, with_kwargs=True)
    yield seen
    hook.remove()


@PATHS
@pytest.mark.parametrize("n", [1, 3])
def test_both_paths_read_and_decode_within_the_bounds(
    vlm: VLM, images: tuple[ImageRef, ...], padded_because: str, n: int
) -> None:
    vlm.padded_because = padded_because
    requests = [
        Request(f"{p.id}/{q}", p, QUESTIONS[(place + q) % 3], n)
        for place, p in enumerate(images)
        for q in range(1 + place % 2)
    ]
    for tokens in (1, 150, 400):
        with _passes(vlm) as passes:
            TransformersEngine(Policy(vlm), 0, 8, tokens).generate(requests, Sampling(max_tokens=2))
        assert all(rows == 1 or rows * length <= tokens for rows, length in passes), (tokens, passes)
        assert all(rows <= 8 // (1 if padded_because else n) for rows, _ in passes)
        # One batch for each tree or prompt where none fits; fewer where some do.
        assert (len(passes) == (len(requests) * n if padded_because else len(images))) == (tokens == 1)


@PATHS
def test_the_bound_leaves_no_trace_in_what_the_lab_says(padded_because: str) -> None:
    vlm = VLM.load(LAB, device="cpu")
    vlm.padded_because = padded_because
    prompts, (shown, _) = load_prompts(None, LAB), drawings("clean", 6, 5)
    asked = ("How many shapes are there?", "Is there a red circle?")
    requests = [Request(f"{p.id}/{q}", p, prompts.answer(q, ()), 3) for p in shown for q in asked]
    large, small = (
        TransformersEngine(Policy(vlm), 3, tokens=tokens).generate(requests, Sampling()) for tokens in (65536, 200)
    )
    for request in requests:
        for one, other in zip(large[request.id], small[request.id], strict=True):
            assert one.token_ids == other.token_ids
            torch.testing.assert_close(torch.tensor(one.logprobs), torch.tensor(other.logprobs), rtol=1e-5, atol=1e-5)


@PATHS
def test_images_are_prepared_once_and_only_when_their_batch_comes(
    vlm: VLM, images: tuple[ImageRef, ...], padded_because: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "MOST_BYTES", 0)  # so little that only the last one is kept
    alive: list[weakref.ref[torch.Tensor]] = []
    most = 0

    def prepare(images: list[Image.Image]) -> tuple[dict[str, torch.Tensor], list[str]]:
        nonlocal most
        found = vlm.processor.prepare(images)
        alive.append(weakref.ref(found[0]["pixel_values"]))
        most = max(most, sum(one() is not None for one in alive))
        return found

    vlm = VLM(vlm.name, vlm.model, vlm.processor, ImageCache(prepare))
    vlm.padded_because = padded_because
    many = [ImageRef(f"{n}", images[n % len(images)].data) for n in range(24)]
    requests = [Request(f"{p.id}/{q}", p, QUESTIONS[(int(p.id) + q) % 3]) for p in many for q in range(2)]
    TransformersEngine(Policy(vlm), 0, 4).generate(requests, Sampling(max_tokens=1))
    assert len(alive) == len(many)
    # Those of a batch, the next one, and the one that is being prepared.
    assert most <= 4 + 2
