"""Questions about many images are balanced over skills, families and answers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.labeling.programs.balance import choose
from visplay.labeling.programs.program import Program, Skill


def program(family: str, skill: Skill, answer: str, number: int = 0) -> Program:
    return Program(family, skill, 1, "open", (f"{family} {number}?",), answer)


def chosen(proposed: list[list[Program]], wanted: int, most: int = 100) -> list[Program]:
    places = choose(proposed, wanted, most, np.random.default_rng(0))
    return [proposed[image][place] for image, each in enumerate(places) for place in each]


def test_a_rare_skill_is_asked_before_a_common_one_is_asked_again() -> None:
    common = [program("exists", "existence", "no", n) for n in range(9)]
    proposed = [[*common, program("beside", "relation", "yes")], common, [*common, program("beside", "relation", "no")]]
    assert Counter(one.skill for one in chosen(proposed, 6)) == {"existence": 4, "relation": 2}


def test_families_of_a_skill_and_answers_of_a_family_take_turns() -> None:
    more = [program("more", "comparison", answer, n) for n, answer in enumerate(["yes"] * 2 + ["no"] * 20)]
    bigger = [program("bigger", "comparison", "yes", n) for n in range(20)]
    found = Counter((one.family, one.answer) for one in chosen([more, bigger], 8))
    assert found == {("more", "yes"): 2, ("more", "no"): 2, ("bigger", "yes"): 4}


@pytest.mark.parametrize("most", [1, 3])
def test_no_image_has_more_than_its_share(most: int) -> None:
    proposed = [[program("exists", "existence", "no", n) for n in range(size)] for size in (9, 0, 2, 1)]
    places = choose(proposed, 100, most, np.random.default_rng(0))
    assert [len(each) for each in places] == [min(most, len(programs)) for programs in proposed]


KINDS: list[tuple[str, Skill]] = [
    ("exists", "existence"),
    ("count", "counting"),
    ("more", "comparison"),
    ("same", "comparison"),
]


@given(
    st.lists(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("ab")), max_size=6), max_size=6),
    st.integers(0, 40),
    st.sampled_from([1, 2, 6]),
)
def test_as_many_as_wanted_none_twice_and_no_skill_ahead_of_one_that_has_more(
    kinds: list[list[tuple[tuple[str, Skill], str]]], wanted: int, most: int
) -> None:
    proposed = [[program(*kind, answer) for kind, answer in each] for each in kinds]
    places = choose(proposed, wanted, most, np.random.default_rng(1))
    assert all(len(set(each)) == len(each) <= most for each in places)
    assert sum(map(len, places)) == min(wanted, sum(min(most, len(each)) for each in proposed))
    if most >= 6:
        asked = Counter(proposed[image][place].skill for image, each in enumerate(places) for place in each)
        there = Counter(one.skill for each in proposed for one in each)
        assert all(asked[skill] >= min(there[skill], max(asked.values(), default=0) - 1) for skill in there)
