"""The seam of observers: who measures a run against a truth that training never sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from visplay.interfaces.labeler import Voter
from visplay.types import Candidate, Question


class Observer(Protocol):
    """Looks at what a phase made and returns metrics; a phase does not read them."""

    def on_silver_set(
        self, candidates: Sequence[Candidate], kept: Collection[str], voter: Voter, votes: int, compared: int
    ) -> Mapping[str, Any]:
        """Metrics of a silver set, such as the share of true labels.

        Args:
            kept: ids of the questions in the silver set.
            votes: answers per question.
            compared: the first so many candidates are also labelled in another way, for comparison.
        """
        ...

    def on_verdict(
        self, questions: Sequence[Question], before: Mapping[str, str | None], now: Mapping[str, str | None]
    ) -> Mapping[str, Any]:
        """Metrics of a verdict: how true the answers to the frozen questions were before, and are now.

        Args:
            before: earlier answers, by question id.
            now: present answers, by question id.
        """
        ...
