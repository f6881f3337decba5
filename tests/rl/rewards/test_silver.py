"""The Reasoner's reward: agreement with the silver answer, whichever words decline."""

from __future__ import annotations

import pytest

from visplay.rl.rewards.reasoner.rewards import SilverReward
from visplay.types import Completion, ImageRef, Question, SilverItem


@pytest.mark.parametrize(
    ("said", "silver", "earned"),
    [
        ("red", "red", 1.0),
        ("blue", "red", 0.0),
        ("unknown", "red", 0.0),
        ("unknown", "unknown", 1.0),
        ("cannot be determined", "unknown", 1.0),
        ("no", "unknown", 0.0),
        ("red", "unknown", 0.0),
    ],
)
def test_a_silver_answer_that_declines_is_matched_by_any_that_declines(said: str, silver: str, earned: float) -> None:
    item = SilverItem(Question("q", ImageRef("i", b""), "open", "what color is the cat?"), silver, 1.0, ())
    completion = Completion("q", 0, (1,), (0.0,), f"<think>so</think>\\boxed{{{said}}}", True)
    assert SilverReward().reward(completion, item, "key") == earned
