"""Where the images of a prompt stand: before its text, or where marks in the text say.

Only an `ImageList` with a `text` is placed by marks. What a model writes may hold marks as well, and they move nothing.
"""

from __future__ import annotations

import re

MARK = re.compile(r"<image (\d{1,4})>")
"""The place of an image in a text; images are counted from 1."""


def user_turn(text: str, images: int, placed: bool) -> list[str | int]:
    """The texts and images of a user's turn in the order in which they are shown; an image is its place, from 0.

    Marks must name the last images of the prompt in order, each once; otherwise all images stand before the text.
    """
    if not placed:
        return [*range(images), text]
    marks = list(MARK.finditer(text))
    if [int(mark[1]) for mark in marks] != list(range(images - len(marks) + 1, images + 1)):
        return [*range(images), without_places(text)]
    turn: list[str | int] = [*range(images - len(marks))]
    start = 0
    for mark in marks:
        turn += [text[start : mark.start()], int(mark[1]) - 1]
        start = mark.end()
    return [part for part in (*turn, text[start:]) if part != ""]


def without_places(text: str) -> str:
    """The text with "image 2" for `<image 2>`, for images that stand before it."""
    return MARK.sub(r"image \1", text)


def keeps_places(chat: str, turn: list[str | int], image_token: str) -> bool:
    """Whether a rendered chat shows images and texts in the order of `turn`; some templates show images first."""
    between = chat.split(image_token)
    seen = 0
    for part in turn:
        if isinstance(part, int):
            seen += 1
        elif seen >= len(between) or part.strip() not in between[seen]:
            return False
    return True
