"""Asking further questions about the images of candidates, each question once per image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from visplay.roles.reasoner import Reasoner
from visplay.types import Augmentation, Question, Vote


def follow_up(
    reasoner: Reasoner,
    wanted: Iterable[tuple[Question, Sequence[str]]],
    tag: str,
    votes: int,
    augmentations: Sequence[Augmentation],
) -> Mapping[tuple[str, str], tuple[Vote, ...]]:
    """Replies by image id and wording.

    Args:
        wanted: candidates' questions with what is to be asked about the same image.
        tag: parts the ids of these questions from others; number `n` of question `q` is `q~{tag}{n}`.
        votes: replies to each wording.
        augmentations: looks at the image that replies are spread over.
    """
    asked: dict[tuple[str, str], Question] = {}
    for question, texts in wanted:
        for n, text in enumerate(texts):
            one = Question(f"{question.id}~{tag}{n}", question.image, "open", text)
            asked.setdefault((question.image.id, text), one)
    replies = reasoner.votes(list(asked.values()), votes, augmentations)
    return {key: replies[question.id] for key, question in asked.items()}
