"""Images stand where the marks of a placed prompt say, and nowhere else."""

from __future__ import annotations

import pytest

from visplay.models.user_turn import keeps_places, user_turn


@pytest.mark.parametrize(
    ("text", "images", "placed", "turn"),
    [
        ("what?", 1, False, [0, "what?"]),
        ("is <image 1> red?", 1, False, [0, "is <image 1> red?"]),
        ("is <image 1> red?", 1, True, ["is ", 0, " red?"]),
        ("<image 1><image 2>", 2, True, [0, 1]),
        ("is it <image 2>?", 2, True, [0, "is it ", 1, "?"]),
        ("is <image 2> <image 1>?", 2, True, [0, 1, "is image 2 image 1?"]),
        ("is <image 1>?", 2, True, [0, 1, "is image 1?"]),
        ("is <image 7>?", 2, True, [0, 1, "is image 7?"]),
        (f"is <image {'9' * 5000}>?", 1, True, [0, f"is <image {'9' * 5000}>?"]),
    ],
)
def test_the_order_of_a_turn(text: str, images: int, placed: bool, turn: list[str | int]) -> None:
    assert user_turn(text, images, placed) == turn


def test_a_template_that_shows_images_first_is_noticed() -> None:
    turn: list[str | int] = ["is ", 0, " like ", 1, "?"]
    assert keeps_places("user: is X like X? answer:", turn, "X")
    assert keeps_places("user:isXlikeX?answer:", turn, "X"), "a template may strip texts"
    assert not keeps_places("user: XX is  like ? answer:", turn, "X")
