"""Groups without advantages are replaced, for at most so many rounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from visplay.rl.advantages.estimators import GroupNorm
from visplay.rl.dynamic_sampling import has_advantage, replace_uninformative
from visplay.types import Completion, Group, ImageRef, Request

BATCH = st.lists(st.booleans(), min_size=1, max_size=8)


@given(BATCH, st.lists(BATCH, max_size=5), st.integers(0, 5))
def test_a_batch_is_filled_up_from_as_many_rounds_as_it_takes(
    first: list[bool], later: list[list[bool]], rounds: int
) -> None:
    """Groups are (round, number, informative)."""
    batches = [[(n, i, good) for i, good in enumerate(batch)] for n, batch in enumerate([first, *later])]
    asked: list[int] = []

    def sample_more(number: int, missing: int) -> list[tuple[int, int, bool]]:
        asked.append(number)
        good = [group for batch in batches[:number] for group in batch if group[2]]
        assert missing == len(first) - len(good) > 0
        return batches[number] if number < len(batches) else []

    found = replace_uninformative(batches[0], sample_more, lambda group: group[2], rounds)
    assert asked == list(range(1, len(asked) + 1)) and len(asked) <= rounds
    if rounds == 0 or not any(group[2] for batch in batches[: len(asked) + 1] for group in batch):
        assert found == batches[0]
        return
    seen = [group for batch in batches[: len(asked) + 1] for group in batch if group[2]]
    assert found == seen[: len(first)]
    assert len(found) == len(first) or len(asked) == rounds


def _group(*rewards: float, weight: float = 1.0, baseline: tuple[float, float] | None = None) -> Group:
    completions = tuple(Completion("r", i, (1,), (0.0,), "", True) for i in range(len(rewards)))
    return Group(Request("r", ImageRef("p", b""), "?", len(rewards)), completions, rewards, weight, baseline)


def test_a_group_is_informative_by_the_estimator_of_the_run() -> None:
    assert has_advantage(_group(0.0, 1.0), GroupNorm())
    assert not has_advantage(_group(1.0, 1.0), GroupNorm())
    assert not has_advantage(_group(0.0, 1.0, weight=0.0), GroupNorm())
    assert has_advantage(_group(1.0, 1.0, baseline=(0.5, 0.5)), GroupNorm())
