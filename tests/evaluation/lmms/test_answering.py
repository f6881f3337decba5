"""Questions of a benchmark in the Reasoner's wording: images unchanged, several to a prompt, answers whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.truth_table import TruthTable
from visplay.errors import EvaluationError
from visplay.evaluation.lmms.answering import Answerer
from visplay.interfaces.engine import Sampling
from visplay.roles.prompts import Prompts
from visplay.types import Request

PROMPTS = Prompts(reasoner="{question} Box it: \\boxed{}.")


def image(seed: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def test_wording_images_and_whole_texts() -> None:
    engine = TruthTable(lambda request, _: None if "mumble" in request.prompt else "red")
    answerer = Answerer(engine, PROMPTS, max_tokens=9, batch=2)
    asked = [
        answerer.request("t", 0, "<image 1> colour?", [image(0)]),
        answerer.request("t", 1, "mumble?", [image(0), image(1)]),
        answerer.request("u", 0, "colour?", [image(1, "L")]),
    ]
    said = list(answerer.answers(asked))
    assert [(s.given, s.finished) for s in said] == [("red", True), (None, False), ("red", True)]
    assert said[0].prompt == "colour? Box it: \\boxed{}." and said[1].text == "<think>hm</think> I see."
    requests = [request for call, _ in engine.calls for request in call]
    assert [len(call) for call, _ in engine.calls] == [2, 1]
    assert [sampling for _, sampling in engine.calls] == [Sampling(max_tokens=9)] * 2
    assert all(request.greedy for request in requests) and len({request.id for request in requests}) == 3
    one, album, grey = (request.image for request in requests)
    assert one == album.parts[0] and len(album.parts) == 2
    assert np.array_equal(np.asarray(one.load()), np.asarray(image(0)))
    assert np.array_equal(np.asarray(grey.load()), np.asarray(image(1, "L").convert("RGB")))


@pytest.mark.parametrize(("shown", "reason"), [((), "nothing"), (("clip.mp4",), "something else than images")])
def test_an_item_without_a_image_is_refused_by_name(shown: tuple[Image.Image, ...], reason: str) -> None:
    answerer = Answerer(TruthTable(lambda request, _: "red"), PROMPTS, None, 8)
    with pytest.raises(EvaluationError, match=f"item 3 of clips shows {reason}"):
        answerer.request("clips", 3, "?", shown)


def test_questions_are_taken_as_they_are_needed() -> None:
    taken = []
    answerer = Answerer(TruthTable(lambda request, _: request.id), PROMPTS, None, 2)

    def requests() -> Iterator[Request]:
        for number in range(6):
            taken.append(number)
            yield answerer.request("t", number, "?", [image(number)])

    answers = answerer.answers(requests())
    assert next(answers).given == "lmms/t/0" and taken == [0, 1]
    assert [said.given for said in answers] == [f"lmms/t/{number}" for number in range(1, 6)]
