"""The Questioner's reward: the paper's, that of its published code, and one that is harder to fool."""

from __future__ import annotations

from visplay.rl.rewards.difficulty import above_chance, checked_share, difficulty


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


def chance_corrected_reward(passed: bool, confidence: float, options: int | None, share: float) -> float:
    """The paper's reward with the difficulty of agreement above chance, for a question that passed its gates.

    Where two answers are to choose from and the votes split evenly, the paper's reward pays the most and this one
    pays 0; and a question to which the votes say "unknown" is not hard but unanswerable.

    Args:
        passed: valid, answered, and kept by every gate.
        options: how many answers there are to guess among, None when they cannot be counted.
        share: r_div, and what earlier batches add to it.
    """
    return questioner_reward(passed, confidence if options is None else above_chance(confidence, options), share)


def official_questioner_reward(valid: bool, confidence: float, share: float) -> float:
    """min(c, 1 − c) − r_div; −1 − r_div for an invalid output, whatever its confidence (published code).

    Arguments and errors are those of `questioner_reward`.
    """
    checked_share(confidence)
    return (min(confidence, 1.0 - confidence) if valid else -1.0) - share
