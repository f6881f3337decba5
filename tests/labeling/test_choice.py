"""Augmentations chosen by the votes alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.config import load_settings
from visplay.errors import ConfigError
from visplay.labeling.choice import augmentation_scores, best_augmentations
from visplay.types import Augmentation, Vote

VIEWS: tuple[Augmentation, ...] = ("plain", "smaller", "dimmer", "darker")


def votes(**said: str) -> dict[str, list[Vote]]:
    """By question: answers by augmentation, in the order of `VIEWS`, two letters each."""
    found = {}
    for name, letters in said.items():
        each = zip([view for view in VIEWS for _ in range(2)], letters, strict=True)
        found[name] = [Vote(name, i, letter, "", view, -i / 10) for i, (view, letter) in enumerate(each)]
    return found


def test_the_augmentation_that_disagrees_with_the_others_is_left_out() -> None:
    scores = augmentation_scores(votes(one="rrrrrrbg", two="ccccccdc"), VIEWS, "agreement")
    assert scores == {"plain": 0.1875, "smaller": 0.1875, "dimmer": 0.1875, "darker": -0.5625}
    assert best_augmentations(scores, VIEWS, 3) == ("plain", "smaller", "dimmer")


def test_an_augmentation_does_not_vote_for_itself() -> None:
    """Two views of two with an answer of their own: the majority of the others is never theirs."""
    scores = augmentation_scores(votes(one="rrrrbbgg"), VIEWS, "agreement")
    assert scores == {"plain": 0.5, "smaller": 0.5, "dimmer": -0.5, "darker": -0.5}


def test_an_augmentation_for_easy_questions_alone_is_no_better() -> None:
    """It is compared with the others on the same questions."""
    easy = {"easy": [one for one in votes(easy="rrrrrrrr")["easy"]]}
    hard = {"hard": [one for one in votes(hard="bgrcrcrr")["hard"] if one.augmentation != "darker"]}
    scores = augmentation_scores(easy | hard, VIEWS, "agreement")
    assert scores["darker"] == 0 and scores["smaller"] >= 0


def test_by_the_probability_of_the_votes() -> None:
    scores = augmentation_scores(votes(one="rrrrrrrr"), VIEWS, "logprob")
    assert scores == pytest.approx({"plain": 0.3, "smaller": 0.1, "dimmer": -0.1, "darker": -0.3})
    assert best_augmentations(scores, VIEWS, 2) == ("plain", "smaller")


@given(st.dictionaries(st.sampled_from(VIEWS), st.floats(-5, 1)), st.integers(1, 6))
def test_what_is_kept_is_best_and_in_order(scores: dict[Augmentation, float], keep: int) -> None:
    kept = best_augmentations(scores, VIEWS, keep)
    assert len(kept) == min(keep, 4) and list(kept) == [view for view in VIEWS if view in kept]
    lost = [scores.get(view, -9.0) for view in VIEWS if view not in kept]
    assert all(scores.get(view, -9.0) >= max(lost, default=-9.0) for view in kept)
    assert best_augmentations(scores, kept, keep) == kept, "a repeated choice is the same"


def test_a_labeler_without_augmentations_has_none_to_choose_from() -> None:
    with pytest.raises(ConfigError, match="labeler 'invariance' has no augmentations"):
        load_settings("invariance", ["silver.choose_augmentations={keep: 2}"])
