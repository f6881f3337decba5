"""Processes exchange values, and a message can name no class and no function beyond those of a run."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import load_settings, preset_names
from visplay.data.augmentations import AugmentedImage
from visplay.distributed.messages import decode, encode
from visplay.interfaces.engine import Sampling
from visplay.types import Completion, Group, ImageList, ImageRef, Request

PIXELS = bytes(range(256)) * 40
PHOTO, DRAWING = ImageRef("a\udcff.png", Path("/photos/a\udcff.png")), ImageRef("b", PIXELS)
IMAGES = (PHOTO, DRAWING, ImageList.of([PHOTO, DRAWING]), AugmentedImage("b~dimmer", PIXELS, "dimmer"))


def sent(value: Any) -> Any:
    return decode(encode(value))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=4),
        max_leaves=12,
    )
)
def test_plain_values_arrive_as_they_were(value: Any) -> None:
    assert sent(value) == value


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: type(image).__name__)
def test_records_arrive_equal_and_hashable(image: ImageRef) -> None:
    request = Request("1/reasoner/0", image, "What\n is “that”?", 2, greedy=True)
    drawn = tuple(Completion(request.id, i, (1, 2, 3), (-0.1, -1e-300, -math.inf), "x\ud800", i == 0) for i in range(2))
    group = Group(request, drawn, (0.1, 0.2), 0.5, (0.3, 0.0))
    arrived = sent([request, group])
    assert arrived == [request, group] and type(arrived[0].image) is type(image)
    assert {arrived[0]: 1} == {request: 1} and hash(arrived[1]) == hash(group)


def test_an_image_of_many_requests_is_sent_once() -> None:
    requests = [Request(str(number), DRAWING, "?") for number in range(50)]
    message = encode(requests)
    assert len(message) < len(PIXELS) + 50 * 200
    arrived = decode(message)
    assert arrived == requests and all(request.image.data is arrived[0].image.data for request in arrived)


@pytest.mark.parametrize("preset", preset_names())
def test_settings_arrive_equal(preset: str) -> None:
    settings = load_settings(preset, ["rl.max_grad_norm=7.25", "engine={type: transformers, batch: 3}"])
    assert sent(settings) == settings
    assert sent([1, settings.reasoner.sampling]) == [1, settings.reasoner.sampling]
    assert sent(Sampling(temperature=0.3, max_tokens=5)) == Sampling(temperature=0.3, max_tokens=5)


@pytest.mark.parametrize("value", [object(), {1, 2}, len, Request, 1j], ids=lambda value: type(value).__name__)
def test_what_no_message_can_hold_is_refused_where_it_is_sent(value: object) -> None:
    with pytest.raises(TypeError, match="do not send each other"):
        encode([value])


class Touch:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    harmful = pickle.dumps(Touch(tmp_path / "touched"))
    for message in (harmful, b"[]\n" + harmful, b"\n\n" + harmful, b"[]\n" + json.dumps({"class": "x"}).encode()):
        with pytest.raises(ValueError):
            decode(message)
    assert decode(b"\n".join((f"[{len(harmful)}]".encode(), b'{"class": "bytes", "place": 0}', harmful))) == harmful
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["Touch", "Path.touch", "os.system", "StepId", "__class__", "", None])
def test_a_message_names_no_other_class(name: str | None) -> None:
    with pytest.raises(ValueError, match="which none can hold"):
        decode(b"[]\n" + json.dumps({"class": name, "file": "x"}).encode() + b"\n")


def test_a_mapping_is_refused_where_it_arrives() -> None:
    """Every object of JSON is a record, so no mapping can pass for one."""
    with pytest.raises(ValueError, match="a mapping"):
        sent({"plain": 1})
