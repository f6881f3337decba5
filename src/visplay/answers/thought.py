"""Where a model's thought ends and its reply begins. Boxes, questions and lists are read from the reply alone.

The marks are those of Qwen, MiMo, GLM, InternVL, Gemma 4, Kimi, Magistral, Seed and LlamaV. A template or a prompt may
write the first mark, so a text may begin within its thought.
"""

from __future__ import annotations

import re

_NAME = r"(?:think|thinking|thought|reasoning|seed:think)"
_OPENS = rf"<\s*{_NAME}\s*>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|channel>"
_CLOSES = rf"<\s*/\s*{_NAME}\s*>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<channel\|>"
_MARK = re.compile(rf"(?P<open>{_OPENS})|(?P<close>{_CLOSES})", re.IGNORECASE)
_LAST_IS_OPEN = re.compile(rf"(?:{_OPENS})(?:thought)?\s*\Z", re.IGNORECASE)
_BOX_MARKS = ("<|begin_of_box|>", "<|end_of_box|>")  # GLM


def reply(text: str) -> str | None:
    """The text after the last thought, or all of a text without one; None if a thought has not ended.

    Thoughts nest, because a thought that quotes both marks has not ended. A closing mark alone ends a thought that the
    prompt began. The time is linear in the length of `text`.
    """
    depth = end = 0
    for mark in _MARK.finditer(text):
        depth, end = depth + 1 if mark["open"] else max(0, depth - 1), mark.end()
    return None if depth else text[end:]


def thought_marks(text: str) -> list[str]:
    """The marks of a text in order, each "open" or "close"."""
    return [mark.lastgroup or "" for mark in _MARK.finditer(text)]


def begun_thought(prompt: str) -> str:
    """The mark with which a prompt ends, such as `<think>` and a line's end; empty if the prompt begins no thought."""
    found = _LAST_IS_OPEN.search(prompt)
    return found[0] if found else ""


def is_mark(token: str) -> bool:
    """Whether a token is a mark of a thought or of GLM's box, which the reading of a text needs."""
    return _MARK.fullmatch(token) is not None or token in _BOX_MARKS
