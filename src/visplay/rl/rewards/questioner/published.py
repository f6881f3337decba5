"""Rewards of the Questioner from other methods; docs/methods.md has the method of each."""

from __future__ import annotations

import math
import re
from typing import ClassVar

from pydantic import Field

from visplay.answers import match, reply
from visplay.interfaces.reward import QuestionerReward, QuestionOutcome
from visplay.rl.rewards.difficulty import checked_share, entropy

_QUICK = re.compile(r"<answer>([^<>]*)</answer>", re.IGNORECASE)


class EntropyBand(QuestionerReward, type="entropy_band"):
    """exp(−(H − μ)² / 2σ²) − r_div, at least 0; H is the entropy of the votes' answers in nats (EvoLMM).

    Source: arXiv 2511.16672 and its code, for five votes. A question without an answer earns 0.
    """

    center: float = Field(0.9, ge=0, description="μ, the entropy that is paid most, in nats (EvoLMM: 0.9)")
    width: float = Field(0.35, gt=0, description="σ, in nats (EvoLMM: 0.35)")

    def reward(self, outcome: QuestionOutcome) -> float:
        if outcome.result is None or outcome.result.answer is None:
            return 0.0
        off = (entropy([vote.answer for vote in outcome.votes]) - self.center) / self.width
        return max(0.0, math.exp(-off * off / 2) - outcome.penalty)


class DualTrack(QuestionerReward, type="dual_track"):
    """Pays where the reasoned answer differs from the quick one (V-Zero, arXiv 2601.10094) − r_div.

    With â the majority of the votes, c its share and a the quick answer that the Questioner wrote beside its question:
    min(c, 1 − c) if â = a, else c / 2. −1 without a question or a quick answer, 0 without a majority.
    """

    asks_for: ClassVar[str] = (
        "\nThen write the answer that comes to your mind at once, without reasoning:\n<answer>the answer</answer>"
    )

    def reward(self, outcome: QuestionOutcome) -> float:
        quick = quick_answer(outcome.completion.text)
        if outcome.question is None or quick is None:
            return -1.0 - outcome.penalty
        confidence, answer = checked_share(outcome.confidence), outcome.result.answer if outcome.result else None
        if answer is None:
            return -outcome.penalty
        return (min(confidence, 1.0 - confidence) if match(answer, quick) else confidence / 2) - outcome.penalty


def quick_answer(text: str) -> str | None:
    """What the last `<answer>…</answer>` after a thought says; None without one, or if it is blank."""
    found = _QUICK.findall(reply(text) or "")
    return found[-1].strip() or None if found else None
