"""VisNumBench, which lmms-eval lacks: four options a question, written as `(a) 0.92 (b) 0.61 (c) 0.5 (d) 0.21`.

Source: Weng et al., arXiv 2503.14939; columns as in the files their repository publishes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from visplay.answers import extract_boxed
from visplay.evaluation.grading import LETTERS, named_option
from visplay.roles.prompts import lettered

_OPTION = re.compile(r"\(\s*([a-z])\s*\)\s*(.*?)\s*(?=\(\s*[a-z]\s*\)|$)", flags=re.IGNORECASE | re.DOTALL)
_FIRST_LETTER = re.compile(r"\(?\s*([a-z])\s*(?:[).:]|$)", flags=re.IGNORECASE)


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """The one image."""
    return [doc["image"].convert("RGB")]


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, str]) -> str:
    """The question, its options lettered below it."""
    return lettered(_question(doc), options(doc)) + lmms_eval_specific_kwargs["post_prompt"]


def doc_to_target(doc: Mapping[str, Any]) -> str:
    """The letter of the right option."""
    return LETTERS[_wanted(doc)]


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """1 where the answer names the right option, by its letter or its text, else 0."""
    from lmms_eval.tasks._task_utils.mcq_extract import extract_mcq_answer

    choices = options(doc)
    given = named_option(extract_boxed(results[0]) or results[0], choices)
    if given is None:
        letter = extract_mcq_answer(results[0], choices=list(LETTERS[: len(choices)]))
        given = LETTERS.index(letter) if letter else None
    return {"accuracy": float(given == _wanted(doc))}


def options(doc: Mapping[str, Any]) -> list[str]:
    """The options' texts, in order.

    Raises:
        ValueError: there are none to be read.
    """
    written = doc.get("option") or doc.get("options") or ""
    found = list(written) if isinstance(written, list) else [text for _, text in _OPTION.findall(written)]
    if len(found) < 2:
        raise ValueError(f"VisNumBench: no options in {written!r}")
    return found


def _question(doc: Mapping[str, Any]) -> str:
    return str(doc.get("question") or doc["text"])


def _wanted(doc: Mapping[str, Any]) -> int:
    """Place of the right option: `answer` is its letter, or letter and text, or its text."""
    answer = str(doc["answer"]).strip()
    first = _FIRST_LETTER.match(answer)
    if first:
        return LETTERS.index(first.group(1).upper())
    place = named_option(answer, options(doc))
    if place is None:
        raise ValueError(f"VisNumBench: answer {answer!r} is none of the options")
    return place
