"""The reward `continuous_agreement`: the share of votes that give the same answer (EvoLMM, arXiv 2511.16672)."""

from __future__ import annotations

from pydantic import Field

from visplay.answers import extract_boxed
from visplay.interfaces.reward import ReasonerReward
from visplay.rl.rewards.difficulty import share_of
from visplay.types import Completion, SilverItem


class ContinuousAgreement(ReasonerReward, type="continuous_agreement"):
    """p(y)^γ · (1 − λ · min(1, max(0, (w − τ) / τ))): p(y) is the share of the silver votes that give the answer y.

    w is the number of words before the box, and the factor is 1 with λ = 0. A completion without a box earns 0.
    An answer of a minority is paid too, but less. For a question without votes, p(y) is 1 for its silver answer.
    """

    exponent: float = Field(0.7, gt=0, le=1, description="γ; below 1 it is softer (EvoLMM: 0.7)")
    length_weight: float = Field(0.1, ge=0, le=1, description="λ, weight of the length penalty (EvoLMM: 0.1)")
    words: int = Field(6, ge=1, description="τ, words before the answer without a penalty (EvoLMM: 6)")

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        given, votes = extract_boxed(completion.text), [vote.answer for vote in item.votes]
        share = share_of(given, votes or [item.answer])
        before = len(completion.text.partition("\\boxed")[0].split())
        excess = min(1.0, max(0.0, (before - self.words) / self.words))
        return float(share**self.exponent) * (1.0 - self.length_weight * excess)
