"""The engine grows trees; what it says must be what transformers says one sequence at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy
from visplay.models.vlm import VLM
from visplay.types import Completion, ImageRef, Request

PROMPTS = ("What?", "What colour is it?", "How many are there, and where?")


def _requests(images: tuple[ImageRef, ...], n: int) -> list[Request]:
    return [Request(f"{p.id}/{i}", p, prompt, n) for p in images for i, prompt in enumerate(PROMPTS)]


def _plain_logprobs(vlm: VLM, request: Request, completion: Completion, temperature: float = 1.0) -> torch.Tensor:
    encoded = vlm.encode(request.image, request.prompt)
    ids = torch.tensor([[*encoded.token_ids, *completion.token_ids]])
    with torch.no_grad():
        logits = vlm.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == vlm.image_token_id).int(),
            **encoded.pixels,
        ).logits[0]
    start = len(encoded.token_ids)
    return (logits / temperature).log_softmax(-1)[start - 1 : -1].gather(1, ids[0, start:, None])[:, 0]


def test_greedy_equals_transformers_generate(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    requests = _requests(images, n=1)
    found = TransformersEngine(Policy(vlm), seed=0).generate(requests, Sampling(temperature=0, max_tokens=12))
    for request in requests:
        encoded = vlm.encode(request.image, request.prompt)
        ids = torch.tensor([encoded.token_ids])
        expected = vlm.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == vlm.image_token_id).int(),
            do_sample=False,
            max_new_tokens=12,
            suppress_tokens=list(vlm.placeholder_ids),
            **encoded.pixels,
        )[0, ids.shape[1] :]
        assert found[request.id][0].token_ids == tuple(expected.tolist())
    assert len({c[0].token_ids for c in found.values()}) > len(images)


def test_recorded_logprobs_equal_a_plain_forward(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    requests = _requests(images[:3], n=4)
    # The temperature enters the log-probabilities, and top_k must leave no trace in them.
    found = TransformersEngine(Policy(vlm), seed=1).generate(
        requests, Sampling(temperature=1.3, top_k=40, max_tokens=10)
    )
    for request in requests:
        for completion in found[request.id]:
            expected = _plain_logprobs(vlm, request, completion, temperature=1.3)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_completions_do_not_depend_on_the_batch(vlm: VLM, images: tuple[ImageRef, ...], batch: int) -> None:
    requests = _requests(images, n=3)
    sampling = Sampling(top_p=0.95, max_tokens=16)
    whole = TransformersEngine(Policy(vlm), seed=2, batch=512).generate(requests, sampling)
    cut = TransformersEngine(Policy(vlm), seed=2, batch=batch).generate(requests[::-1], sampling)
    alone = TransformersEngine(Policy(vlm), seed=2, batch=batch).generate(requests[4:5], sampling)
    assert {k: [c.token_ids for c in v] for k, v in whole.items()} == {
        k: [c.token_ids for c in v] for k, v in cut.items()
    }
    assert [c.token_ids for c in alone[requests[4].id]] == [c.token_ids for c in whole[requests[4].id]]


def test_rows_that_end_early_are_dropped_without_a_trace(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    # A bias towards the end of text makes rows end at very different steps.
    with torch.no_grad():
        vlm.model.model.language_model.embed_tokens.weight[vlm.eos_ids[0]] *= 3
    requests = _requests(images, n=9)
    found = TransformersEngine(Policy(vlm), seed=3).generate(requests, Sampling(max_tokens=30))
    lengths = {len(c.token_ids) for v in found.values() for c in v}
    assert min(lengths) <= 3 and len(lengths) >= 8
    for request in requests:
        for completion in found[request.id]:
            assert completion.finished == (completion.token_ids[-1] in vlm.eos_ids)
            assert completion.finished or len(completion.token_ids) == 30
            assert not set(completion.token_ids[:-1]) & set(vlm.eos_ids)
            expected = _plain_logprobs(vlm, request, completion)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, rtol=1e-5, atol=1e-5)


def test_seed_and_index_make_the_stream(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    request = Request("r", images[0], "What?", 3)
    sampling = Sampling(max_tokens=8)

    def texts(seed: int, wanted: Request) -> list[tuple[int, ...]]:
        return [c.token_ids for c in TransformersEngine(Policy(vlm), seed=seed).generate([wanted], sampling)[wanted.id]]

    assert texts(0, request) == texts(0, request)
    assert texts(0, request)[:2] == texts(0, replace(request, n=2))
    assert len(set(texts(0, request)) | set(texts(1, request)) | set(texts(0, replace(request, id="s")))) == 9


def test_completions_name_their_request_and_index(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    requests = _requests(images[:2], n=20)
    found = TransformersEngine(Policy(vlm), seed=0, batch=8).generate(requests, Sampling(max_tokens=2))
    assert list(found) == [r.id for r in requests]
    for request in requests:
        assert [(c.request_id, c.index) for c in found[request.id]] == [(request.id, i) for i in range(20)]
        assert all(len(c.logprobs) == len(c.token_ids) for c in found[request.id])


def test_two_requests_of_one_id_are_refused(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    with pytest.raises(ValueError, match="same id"):
        TransformersEngine(Policy(vlm), seed=0).generate(_requests(images[:1], 1) * 2, Sampling())


def test_no_request_is_no_work(vlm: VLM) -> None:
    assert TransformersEngine(Policy(vlm), seed=0).generate([], Sampling()) == {}


def test_a_greedy_request_among_sampled_ones_is_greedy(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    alone = TransformersEngine(Policy(vlm), seed=5).generate(
        [Request("g", images[0], "what is it?")], Sampling(temperature=0, max_tokens=8)
    )
    mixed = TransformersEngine(Policy(vlm), seed=5).generate(
        [Request("g", images[0], "what is it?", greedy=True), Request("s", images[0], "what is it?", n=3)],
        Sampling(temperature=2, max_tokens=8),
    )
    assert mixed["g"][0].token_ids == alone["g"][0].token_ids
    assert any(c.token_ids != alone["g"][0].token_ids for c in mixed["s"])
