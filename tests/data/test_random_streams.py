"""Properties of random generators by name."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from visplay.data.random_streams import random_stream


def numbers(seed: int, name: str) -> list[int]:
    return random_stream(seed, name).integers(0, 2**63, 4).tolist()


@given(st.integers(0, 2**32), st.text(), st.integers(0, 2**32), st.text())
def test_other_names_and_other_seeds_give_other_streams(seed: int, name: str, other_seed: int, other: str) -> None:
    assume((seed, name) != (other_seed, other))
    assert numbers(seed, name) != numbers(other_seed, other)


@given(st.integers(0, 2**32), st.text())
def test_the_same_name_gives_the_same_stream(seed: int, name: str) -> None:
    assert numbers(seed, name) == numbers(seed, name)


def test_all_streams_of_a_run_differ() -> None:
    rounds = [f"sampler/round {r}" for r in range(50)]
    laps = [f"{t}/reasoner/lap {lap}" for t in range(1, 20) for lap in range(20)]
    names = [*rounds, *laps, "acceptance/held-out images"]
    assert len({tuple(numbers(0, name)) for name in names}) == len(names)
