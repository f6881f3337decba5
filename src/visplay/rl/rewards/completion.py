"""Scores of a completion by its form and length alone, and an uninformative one for control runs."""

from __future__ import annotations

from hashlib import blake2b

from visplay.answers import boxed_spans, reply, thought_marks

_FORMS: tuple[list[str], ...] = ([], ["close"], ["open", "close"])  # of the marks of a thought


def format_score(text: str) -> float:
    r"""1.0 if the final part of `text` has exactly one `\boxed{…}` and it is not blank, else 0.0.

    The final part is the text after the thought, or the whole text without one. Boxes inside the thought do not count.
    An unclosed or a second thought scores 0.0. The opening tag may be missing, because a chat template can write it
    into the prompt.
    """
    final = reply(text)
    if final is None or thought_marks(text) not in _FORMS:
        return 0.0
    spans = boxed_spans(final)
    return float(len(spans) == 1 and bool(final[slice(*spans[0])].strip()))


def overlong_penalty(tokens: int, max_tokens: int, buffer: int) -> float:
    """Soft overlong punishment, from 0 to -1, which is added to a reward (DAPO, arXiv 2503.14476, equation 13).

    It is 0 up to `buffer` tokens below the limit of sampling, then decreases linearly to -1 at the limit; with a buffer
    of 0 there is none.
    """
    return max(-1.0, min(0.0, (max_tokens - buffer - tokens) / buffer)) if buffer else 0.0


def random_reward(key: str) -> float:
    """0.0 or 1.0 with equal probability, a function of `key` only."""
    return float(blake2b(key.encode(), digest_size=1).digest()[0] & 1)
