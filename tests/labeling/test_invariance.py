"""The labeler `invariance`: a Reasoner that sees sides is believed, and one that has a habit is not."""

from __future__ import annotations

import pytest

from tests.labeling.test_labelers import Beholder, reasoner
from visplay.data.augmentations import AugmentedImage
from visplay.labeling.labelers.invariance import Invariance, exchange_sides, transformed
from visplay.types import Candidate, ImageRef, Question, Request

PICTURE = ImageRef("p", b"")


def asked(text: str) -> Question:
    return Question("q", PICTURE, "open", text)


@pytest.mark.parametrize(
    ("text", "version", "turned"),
    [
        ("is the circle left of the cross?", "mirrored", "is the circle right of the cross?"),
        ("is the cat to the right of the dog?", "mirrored", "is the cat to the left of the dog?"),
        ("is it on the left side of the image?", "mirrored", "is it on the right side of the image?"),
        ("what is the leftmost thing?", "mirrored", "what is the rightmost thing?"),
        ("what color is the cup on the right?", "mirrored", "what color is the cup on the left?"),
        ("how many dogs are there?", "mirrored", "how many dogs are there?"),
        ("how many apples are left?", "smaller", "how many apples are left?"),
        ("is the right angle marked?", "smaller", "is the right angle marked?"),
        ("what is written on the left sign?", "smaller", "what is written on the left sign?"),
        ("where is the dog?", "smaller", "where is the dog?"),
    ],
)
def test_the_question_about_the_other_version(text: str, version: str, turned: str) -> None:
    other = transformed(asked(text))
    assert isinstance(other.image, AugmentedImage) and other.image.augmentation == version
    assert other.text == turned and other.id == "q"


def test_exchanging_sides_twice_changes_nothing() -> None:
    for text in ("on the left", "right", "the leftmost of the right ones", "red", "bright leftovers"):
        assert exchange_sides(exchange_sides(text)) == text
    assert exchange_sides("bright leftovers") == "bright leftovers"


def labelled(text: str, votes: int = 8, **says: str) -> Candidate:
    """By a Reasoner that says one thing about the image and another about its second version."""

    def say(request: Request, index: int) -> tuple[str, float]:
        return f"\\boxed{{{says['plain'] if request.image == PICTURE else says['other']}}}", -0.1

    (candidate,) = Invariance().label([asked(text)], votes, reasoner(Beholder(say)))
    return candidate


def test_who_sees_the_sides_is_believed() -> None:
    seen = labelled("is the circle left of the cross?", plain="yes", other="yes")
    assert (seen.result.answer, seen.result.confidence, seen.result.votes) == ("yes", 1.0, 8)
    assert [vote.augmentation for vote in seen.votes] == ["plain"] * 4 + ["mirrored"] * 4
    assert [vote.index for vote in seen.votes] == list(range(8))
    named = labelled("is the cup beside the left hand or the spoon?", plain="left", other="right")
    assert named.result.answer == "left" and {vote.answer for vote in named.votes} == {"left"}


def test_who_does_not_see_them_is_not() -> None:
    """The mirrored circle is right of the cross, so a "no" about "right of" contradicts the "yes" about "left of"."""
    blind = labelled("is the circle left of the cross?", plain="yes", other="no")
    assert (blind.result.answer, blind.result.confidence) == (None, 0.0)
    assert blind.evidence[0].finding == "no"
    habit = labelled("is the cup beside the left hand or the spoon?", plain="left", other="left")
    assert habit.result.answer is None


@pytest.mark.parametrize("votes", [1, 2, 5, 8])
def test_each_version_has_a_vote_and_the_plan_counts_them(votes: int) -> None:
    candidate = labelled("how many dogs are there?", votes, plain="3", other="3")
    (planned,) = Invariance().requests(1, votes)
    assert len(candidate.votes) == candidate.result.votes == max(2, votes) <= planned.versions * planned.completions
