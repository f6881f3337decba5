"""The order in which requests reach an engine."""

from __future__ import annotations

import pytest

from visplay.generation.batching import grouped_by_image
from visplay.types import ImageRef, Request


def test_requests_about_a_image_come_together_as_it_was_first_asked_about(images: tuple[ImageRef, ...]) -> None:
    wanted = [Request(f"{place}", images[number], "What?") for place, number in enumerate((2, 0, 2, 1, 0, 2))]
    assert [request.id for request in grouped_by_image(wanted)] == ["0", "2", "5", "1", "4", "3"]
    assert grouped_by_image([]) == []


def test_an_id_is_of_one_request(images: tuple[ImageRef, ...]) -> None:
    with pytest.raises(ValueError, match="the same id"):
        grouped_by_image([Request("a", images[0], "What?"), Request("a", images[1], "What?")])
