r"""The format score of the Reasoner's text, `<think>…</think> \boxed{…}`."""

from __future__ import annotations

from visplay.answers import boxed_spans


def format_score(text: str) -> float:
    r"""1.0 if the final part of `text` has exactly one `\boxed{…}` and it is not blank, else 0.0.

    The final part is the text after `</think>`, or the whole text without a think block. Boxes inside the block do not
    count. An unclosed or a second block scores 0.0. The opening tag may be missing, because a chat template can write
    it into the prompt.
    """
    thought, _, final = text.rpartition("</think>")
    if "<think>" in final or "</think>" in thought or thought.count("<think>") > 1:
        return 0.0
    spans = boxed_spans(final)
    return float(len(spans) == 1 and bool(final[slice(*spans[0])].strip()))
