"""The Questioner's reward, as the paper writes it and as its published code computes it."""

from __future__ import annotations

from visplay.rewards.difficulty import checked_share, difficulty


def questioner_reward(valid: bool, confidence: float, share: float) -> float:
    """r = valid · max(0, r_unc − r_div), in [0, 1] (arXiv 2511.15661).

    Args:
        valid: the output obeys the format of a question.
        confidence: share of the Reasoner's votes on its majority answer.
        share: r_div, the question's entry of `diversity`.
    Raises:
        ValueError: `confidence` is outside [0, 1].
    """
    return max(0.0, difficulty(confidence) - share) if valid else 0.0


def official_questioner_reward(valid: bool, confidence: float, share: float) -> float:
    """min(c, 1 − c) − r_div; −1 − r_div for an invalid output, whatever its confidence (published code).

    Arguments and errors are those of `questioner_reward`.
    """
    checked_share(confidence)
    return (min(confidence, 1.0 - confidence) if valid else -1.0) - share
