"""Properties of drawing without replacement."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visplay.data.sampler import Sampler
from visplay.errors import ImageError
from visplay.types import ImageRef


def images(n: int) -> tuple[ImageRef, ...]:
    return tuple(ImageRef(f"p{i}", b"") for i in range(n))


sizes = st.integers(1, 30)
draws = st.lists(st.integers(0, 40), max_size=12)


@given(sizes, draws, st.integers(0, 5))
def test_no_image_comes_again_before_all_have_come(size: int, takes: list[int], seed: int) -> None:
    sampler = Sampler(images(size), seed)
    drawn: list[str] = []
    for n in takes:
        batch = [image.id for image in sampler.take(n)]
        assert len(batch) == n
        drawn += batch
    for start in range(0, len(drawn), size):
        part = drawn[start : start + size]
        assert len(set(part)) == len(part)


@given(sizes, st.data())
def test_a_draw_holds_no_image_twice(size: int, data: st.DataObject) -> None:
    sampler = Sampler(images(size), 0)
    for n in data.draw(st.lists(st.integers(0, size), max_size=12)):
        assert set(Counter(sampler.take(n)).values()) <= {1}


@given(sizes, draws, draws, st.integers(0, 5))
def test_a_restored_sampler_goes_on_as_the_first(size: int, before: list[int], after: list[int], seed: int) -> None:
    first = Sampler(images(size), seed)
    for n in before:
        first.take(n)
    second = Sampler(images(size), seed + 1)
    second.restore(json.loads(json.dumps(first.state())))
    assert [first.take(n) for n in after] == [second.take(n) for n in after]
    assert first.state() == second.state()


def test_seeds_and_rounds_differ() -> None:
    sampler = Sampler(images(50), 0)
    first, second = sampler.take(50), sampler.take(50)
    other = Sampler(images(50), 1).take(50)
    assert set(first) == set(second) == set(other)
    assert len({first, second, other}) == 3
    assert Sampler(images(50), 0).take(50) == first


def test_every_first_draw_is_equally_likely() -> None:
    counts = Counter(Sampler(images(4), seed).take(1)[0].id for seed in range(2000))
    assert all(420 < counts[f"p{i}"] < 580 for i in range(4))


def test_other_images_cannot_be_restored() -> None:
    state = Sampler(images(5), 0).state()
    with pytest.raises(ImageError, match="differ from those at the run's start"):
        Sampler(images(6), 0).restore(state)
    with pytest.raises(ImageError, match="no images"):
        Sampler((), 0)
    with pytest.raises(ValueError, match="-1"):
        Sampler(images(5), 0).take(-1)
