"""The questions of earlier steps with their rewards, to keep the Questioner from repeating a single question.

If all completions of a group are the same question, their rewards are equal and their advantages 0, so the group does
not discourage the repetition. The history does. A question that was asked in earlier steps has a lower reward, and a
group of equal rewards is compared with the mean reward of earlier questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any

from visplay.rl.rewards.diversity import bleu_matrix


class QuestionHistory:
    """The last `size` questions with their rewards; with size 0 the history stays empty.

    Args:
        threshold: distance 1 − BLEU below which two texts count as the same question.
    """

    def __init__(self, size: int, threshold: float) -> None:
        self.size = size
        self.threshold = threshold
        self._texts: list[str] = []
        self._rewards: list[float] = []

    def shares(self, texts: Sequence[str]) -> list[float]:
        """For each text, the share of the questions in the history that are the same, in [0, 1]."""
        if not self._texts or not texts:
            return [0.0] * len(texts)
        bleu_NN = bleu_matrix([*texts, *self._texts])
        alike_GM = bleu_NN[: len(texts), len(texts) :] > 1 - self.threshold
        return [
            sum(bool(near) or text == old for near, old in zip(alike_M, self._texts, strict=True)) / len(self._texts)
            for text, alike_M in zip(texts, alike_GM, strict=True)
        ]

    def baseline(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the rewards in the history; None if all are equal."""
        if len(set(self._rewards)) < 2:
            return None
        return fmean(self._rewards), pstdev(self._rewards)

    def add(self, asked: Sequence[tuple[str, float]]) -> None:
        """Add questions with their rewards; the oldest are dropped."""
        kept = [*zip(self._texts, self._rewards, strict=True), *asked][-self.size :] if self.size else []
        self._texts = [text for text, _ in kept]
        self._rewards = [reward for _, reward in kept]

    def state(self) -> dict[str, Any]:
        """The history as JSON values, for `restore`."""
        return {"texts": self._texts, "rewards": self._rewards}

    def restore(self, state: dict[str, Any]) -> None:
        """Replace the history by a result of `state`."""
        self._texts, self._rewards = list(state["texts"]), list(state["rewards"])
