r"""Does a Reasoner's text have the form it was asked for: `<think>…</think> \boxed{…}`?"""

from __future__ import annotations

from visplay.answers import boxed_spans


def format_score(text: str) -> float:
    r"""1.0 when the final part of `text` holds exactly one `\boxed{…}` and it is not blank, else 0.0.

    The final part is what follows `</think>`; the whole text when there is no think block. Boxes
    inside the block do not count. A block that is never closed, or a second one, scores 0.0. The
    opening tag may be missing, since a chat template can put it into the prompt.
    """
    thought, _, final = text.rpartition("</think>")
    if "<think>" in final or "</think>" in thought or thought.count("<think>") > 1:
        return 0.0
    spans = boxed_spans(final)
    return float(len(spans) == 1 and bool(final[slice(*spans[0])].strip()))
