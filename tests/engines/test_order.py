"""The order in which requests reach an engine."""

from __future__ import annotations

import pytest

from visplay.engines.engine import by_picture
from visplay.records import Picture, Request


def test_requests_about_a_picture_come_together_as_it_was_first_asked_about(pictures: tuple[Picture, ...]) -> None:
    wanted = [Request(f"{place}", pictures[number], "What?") for place, number in enumerate((2, 0, 2, 1, 0, 2))]
    assert [request.id for request in by_picture(wanted)] == ["0", "2", "5", "1", "4", "3"]
    assert by_picture([]) == []


def test_an_id_is_of_one_request(pictures: tuple[Picture, ...]) -> None:
    with pytest.raises(ValueError, match="the same id"):
        by_picture([Request("a", pictures[0], "What?"), Request("a", pictures[1], "What?")])
