"""Three values on scenes: yes, no, and not known."""

from __future__ import annotations

import pytest

from visplay.labeling.programs.answering import answer
from visplay.labeling.records.schema import Scene, Thing

RED_CAR = Thing(name="car", attributes={"color": "red"}, row=7, column=1, size=6, text="TAXI")
BLUE_CAR = Thing(name="car", attributes={"color": "blue"}, row=7, column=8, size=3)
DOG = Thing(name="dog", attributes={"color": "brown", "state": "wet"}, row=2, column=5, size=1)
LISTED = Scene(things=(RED_CAR, BLUE_CAR, DOG), complete=("thing",))
OPEN = Scene(things=(RED_CAR, BLUE_CAR, DOG), absent=("person",))


@pytest.mark.parametrize(
    "question, listed, silent",
    [
        ("Is there a car?", "yes", "yes"),
        ("Is there a green car?", "no", None),
        ("Is there no green car?", "yes", None),
        ("Are there any people?", "no", "no"),
        ("Are there no people in the picture?", "yes", "yes"),
        ("Is there a red person?", "no", "no"),
        ("How many people are there?", "0", "0"),
        ("How many cars are there?", "2", None),
        ("How many red cars can you see?", "1", None),
        ("How many cars are on the left side of the image?", "1", None),
        ("Are there more cars than dogs?", "yes", None),
        ("How many cars and dogs are there in total?", "3", None),
        ("How many objects and dogs are there in total?", None, None),  # dogs are objects
        ("What color is the dog?", "brown", None),
        ("What color is the car?", None, None),  # which?
        ("What color is the car on the left?", "red", None),
        ("What color is the red car?", None, None),  # the question says it
        ("Is the dog wet?", "yes", None),
        ("Is the dog dry?", "no", None),
        ("Is the dog hungry?", None, None),
        ("Are all cars red?", "no", None),
        ("What is written on the red car?", "TAXI", None),
        ("What is written on the dog?", None, None),
        ("Is the red car to the left of the blue car?", "yes", None),
        ("Is the red car above the blue car?", None, None),  # in the same row
        ("Is the dog in the left half of the picture?", None, None),  # in the middle
        ("What is the object above the red car?", None, None),  # the other car is in the same row
        ("Is the red car bigger than the dog?", "yes", None),
        ("Is the dog smaller than the blue car?", "yes", None),
        ("What color is the biggest object?", "red", None),
        ("What color is the leftmost car?", "red", None),
        ("What color is the car closest to the dog?", None, None),  # 6.4 and 5.8 steps
        ("Is there a horse and a dog?", "no", None),
        ("What color is the horse?", None, None),
        ("Is the dog left of the horse?", None, None),
        ("What color is the dog? A. red B. brown C. blue", "B. brown", None),
        ("What color is the dog? A. red B. green", None, None),
    ],
)
def test_silence_is_no_answer(question: str, listed: str | None, silent: str | None) -> None:
    assert answer(question, LISTED) == listed
    assert answer(question, OPEN) == silent


def test_a_kind_that_is_listed_in_full_is_counted() -> None:
    scene = Scene(things=(RED_CAR, BLUE_CAR), complete=("car",))
    assert answer("how many cars are there?", scene) == "2"
    assert answer("how many green cars are there?", scene) == "0"
    assert answer("how many objects are there?", scene) is None


def test_several_is_there_but_no_number() -> None:
    scene = Scene(things=(Thing(name="tree", count="several"),), complete=("thing",))
    assert answer("are there any trees?", scene) == "yes"
    assert answer("how many trees are there?", scene) is None
    assert answer("are there more trees than dogs?", scene) is None


def test_what_may_be_meant_is_not_known() -> None:
    scene = Scene(things=(Thing(name="person"), Thing(name="dog")), complete=("thing",))
    assert answer("is there a woman?", scene) is None
    assert answer("is there a pet?", scene) is None
    assert answer("what color is the woman?", scene) is None


def test_a_cup_may_be_a_mug() -> None:
    """Unless the record lists cups in full, and has another name for the mug."""
    things = (Thing(name="cup", attributes={"color": "red"}), Thing(name="mug"))
    everything, cups = Scene(things=things, complete=("thing",)), Scene(things=things, complete=("cup",))
    assert answer("how many cups are there?", everything) is None
    assert answer("how many cups are there?", cups) == "1"
    assert answer("is there a bowl?", everything) is None
    assert answer("what color is the cup?", everything) == "red"  # what is called "cup" is meant, not the mug


def test_colors_that_are_close_are_told_apart_by_a_record_that_has_both() -> None:
    blue, teal = (Thing(name="circle", attributes={"color": color}) for color in ("blue", "teal"))
    assert answer("how many teal circles are there?", Scene(things=(blue,), complete=("thing",))) is None
    assert answer("how many teal circles are there?", Scene(things=(blue, teal), complete=("thing",))) == "1"
    assert answer("how many red circles are there?", Scene(things=(blue,), complete=("thing",))) == "0"


def test_what_is_seen_and_denied_is_not_known() -> None:
    scene = Scene(things=(DOG,), absent=("dog",), complete=("thing",))
    assert answer("is there a dog?", scene) is None
    assert answer("how many dogs are there?", scene) is None


def test_things_without_a_place_have_no_relation() -> None:
    scene = Scene(things=(Thing(name="cat"), DOG), complete=("thing",))
    assert answer("is the cat left of the dog?", scene) is None
    assert answer("how many objects are left of the dog?", scene) is None
