"""Asking further questions about the pictures of candidates, each question once a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from visplay.records import Question, View, Vote
from visplay.roles.reasoner import Reasoner


def follow_up(
    reasoner: Reasoner, wanted: Iterable[tuple[Question, Sequence[str]]], tag: str, votes: int, views: Sequence[View]
) -> Mapping[tuple[str, str], tuple[Vote, ...]]:
    """Replies by picture id and wording.

    Args:
        wanted: candidates' questions with what is to be asked about the same picture.
        tag: parts the ids of these questions from others; number `n` of question `q` is `q~{tag}{n}`.
        votes: replies to each wording.
        views: looks at the picture that replies are spread over.
    """
    asked: dict[tuple[str, str], Question] = {}
    for question, texts in wanted:
        for n, text in enumerate(texts):
            one = Question(f"{question.id}~{tag}{n}", question.picture, "open", text)
            asked.setdefault((question.picture.id, text), one)
    replies = reasoner.votes(list(asked.values()), votes, views)
    return {key: replies[question.id] for key, question in asked.items()}
