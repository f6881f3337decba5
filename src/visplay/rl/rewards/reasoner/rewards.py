"""The Reasoner's rewards: agreement with the silver answer (arXiv 2511.15661, section 3), and controls."""

from __future__ import annotations

from pydantic import Field

from visplay.answers import extract_boxed, is_refusal, match
from visplay.interfaces.reward import ReasonerReward
from visplay.rl.rewards.completion import format_score, random_reward
from visplay.types import Completion, SilverItem


class SilverReward(ReasonerReward, type="silver"):
    """(1 − w) · [the boxed answer matches the silver answer] + w · [the format is right].

    If the silver answer declines, any boxed answer that declines matches it.
    """

    format_weight: float = Field(0.0, ge=0, le=1, description="w, share of the format reward (paper 0, official 0.1)")

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        given = extract_boxed(completion.text)
        accuracy = float(given is not None and (match(given, item.answer) or _both_decline(given, item.answer)))
        return (1.0 - self.format_weight) * accuracy + self.format_weight * format_score(completion.text)


def _both_decline(given: str, silver: str) -> bool:
    return is_refusal(silver) and is_refusal(given)


class FormatReward(ReasonerReward, type="format"):
    """1 for exactly one boxed answer after the reasoning, else 0."""

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        return format_score(completion.text)


class RandomReward(ReasonerReward, type="random"):
    """0 or 1 with equal chance, whatever the completion says."""

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        return random_reward(key)
