"""What was asked in earlier steps and what it earned, so that a Questioner cannot live on one question.

Within a group nothing speaks against a question that all of its completions are: their rewards
are equal, and so is what each of them learns. Earlier steps do speak: what they asked already is
worth less, and a group without any difference is held against what questions usually earn.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any

from visplay.rl.rewards.diversity import bleu_matrix


class QuestionHistory:
    """The last `size` questions with their rewards; 0 remembers nothing.

    Args:
        threshold: distance 1 − BLEU below which two texts ask the same.
    """

    def __init__(self, size: int, threshold: float) -> None:
        self.size = size
        self.threshold = threshold
        self._texts: list[str] = []
        self._rewards: list[float] = []

    def shares(self, texts: Sequence[str]) -> list[float]:
        """For each text, the share of the remembered ones that ask the same, in [0, 1]."""
        if not self._texts or not texts:
            return [0.0] * len(texts)
        bleu_NN = bleu_matrix([*texts, *self._texts])
        alike_GM = bleu_NN[: len(texts), len(texts) :] > 1 - self.threshold
        return [
            sum(bool(near) or text == old for near, old in zip(alike_M, self._texts, strict=True)) / len(self._texts)
            for text, alike_M in zip(texts, alike_GM, strict=True)
        ]

    def baseline(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the remembered rewards; None where they do not differ."""
        if len(set(self._rewards)) < 2:
            return None
        return fmean(self._rewards), pstdev(self._rewards)

    def add(self, asked: Sequence[tuple[str, float]]) -> None:
        """Remember questions with their rewards; the oldest are forgotten."""
        kept = [*zip(self._texts, self._rewards, strict=True), *asked][-self.size :] if self.size else []
        self._texts = [text for text, _ in kept]
        self._rewards = [reward for _, reward in kept]

    def state(self) -> dict[str, Any]:
        """JSON values that `restore` takes."""
        return {"texts": self._texts, "rewards": self._rewards}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` gave."""
        self._texts, self._rewards = list(state["texts"]), list(state["rewards"])
